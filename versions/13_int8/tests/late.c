/* Crews whose threads come late: the caller does the whole job meanwhile.  Then many jobs with everybody. */
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>

static sem_t gate;

typedef struct {
    void *(*run)(void *);
    void *argument;
} thread_start;

static void *run_late(void *argument)
{
    const thread_start given = *(thread_start *)argument;
    free(argument);
    sem_wait(&gate);
    return given.run(given.argument);
}

static int create_late(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument)
{
    thread_start *given = malloc(sizeof *given);
    *given = (thread_start){run, argument};
    return pthread_create(thread, attributes, run_late, given);
}

#define pthread_create create_late
#include "crew.c"

#include <stdio.h>

enum { STEPS = 7, MOST_PARTS = 50 };

typedef struct {
    crew_job job;
    atomic_int computed[STEPS][MOST_PARTS]; /* how often each part was */
    int finished;                           /* steps */
    atomic_bool wrong;
} counting;

/* 1 to 50 parts, so that there are shares without pieces, and pieces that are smaller than others. */
static ptrdiff_t parts(const crew_job *job, ptrdiff_t step)
{
    (void)job;
    return 1 + step * step * 49 / ((STEPS - 1) * (STEPS - 1));
}

static void count(const crew_job *job, ptrdiff_t step, int worker, ptrdiff_t first, ptrdiff_t end)
{
    counting *mine = (counting *)job;
    (void)worker;
    if (mine->finished != step) /* this would be a race, too, and ThreadSanitizer would tell */
        atomic_store(&mine->wrong, true);
    for (ptrdiff_t part = first; part < end; part++)
        atomic_fetch_add(&mine->computed[step][part], 1);
}

static void finish(crew_job *job, ptrdiff_t step)
{
    counting *mine = (counting *)job;
    for (ptrdiff_t part = 0; part < MOST_PARTS; part++) {
        if (atomic_load(&mine->computed[step][part]) != (part < parts(job, step)))
            atomic_store(&mine->wrong, true);
    }
    mine->finished++;
}

static void do_job(crew *crew)
{
    counting counted = {.job = {STEPS, parts, count, finish}};
    crew_run(crew, &counted.job);
    if (counted.finished != STEPS || atomic_load(&counted.wrong)) {
        puts("a part was computed twice, or not, or too early");
        exit(1);
    }
}

int main(void)
{
    const int workers[] = {2, 3, 20}; /* more than there are shares */
    sem_init(&gate, 0, 0);
    for (int i = 0; i < 3; i++) {
        crew *made = crew_new(workers[i], i == 0);
        do_job(made); /* nobody else is there */
        for (int j = 1; j < workers[i]; j++)
            sem_post(&gate);
        for (int j = 0; j < 300; j++)
            do_job(made);
        crew_delete(made);
    }
    puts("all done");
    return 0;
}
