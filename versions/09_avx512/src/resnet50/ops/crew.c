/* A crew of threads: POSIX threads that meet at a barrier, where they spin for a while and then sleep. */
#define _POSIX_C_SOURCE 200809L /* pthread_sigmask: strict C11 hides it */
#include "crew.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

/* How often a waiting thread looks before it sleeps: for some 50 microseconds, since a pause takes 40 to 140 cycles.
 * Falling asleep and being woken takes as long, and a layer is done by then: 174 of them take 20 ms.
 *
 * The caller looks for a millisecond, and so hardly ever sleeps.  After a rest the other threads come late, and Linux
 * would wake a caller that had fallen asleep on the processor of the thread that wakes it.  From then on the two take
 * turns there, each asleep while the other works: an inference after a second of rest took 56 ms instead of 32. */
enum { SPINS = 2000, SPINS_OF_CALLER = 40000 };

struct crew {
    int workers;
    bool spin;
    unsigned forks; /* how often the process had been forked when the crew was made */
    pthread_t *threads;
    worker *members; /* what each thread is told of itself */
    crew_task *task; /* NULL: go home */
    void *job;
    atomic_bool busy;
    atomic_int arrived, asleep; /* at the barrier */
    atomic_uint phase;          /* how often the barrier has opened */
    pthread_mutex_t mutex;
    pthread_cond_t opened;
};

static atomic_uint forks;

static void count_fork(void)
{
    atomic_fetch_add(&forks, 1);
}

static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, count_fork);
}

static void pause_briefly(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

/* The last one to come opens the barrier and wakes the sleepers.  It looks for sleepers after opening the barrier, and
 * they check whether it is open after announcing their sleep.  C's atomic operations are sequentially consistent by
 * default: all threads agree on one order of these four steps.  So one of the two sees the other. */
static void wait_for_all(crew *crew, int spins)
{
    const unsigned phase = atomic_load(&crew->phase);
    if (atomic_fetch_add(&crew->arrived, 1) + 1 == crew->workers) {
        atomic_store(&crew->arrived, 0);
        atomic_store(&crew->phase, phase + 1);
        if (atomic_load(&crew->asleep) > 0) {
            pthread_mutex_lock(&crew->mutex);
            pthread_cond_broadcast(&crew->opened);
            pthread_mutex_unlock(&crew->mutex);
        }
        return;
    }
    for (int spin = 0; crew->spin && spin < spins; spin++) {
        if (atomic_load(&crew->phase) != phase)
            return;
        pause_briefly();
    }
    pthread_mutex_lock(&crew->mutex);
    atomic_fetch_add(&crew->asleep, 1);
    while (atomic_load(&crew->phase) == phase)
        pthread_cond_wait(&crew->opened, &crew->mutex);
    atomic_fetch_sub(&crew->asleep, 1);
    pthread_mutex_unlock(&crew->mutex);
}

void crew_barrier(const worker *me)
{
    if (me->count > 1)
        wait_for_all(me->crew, me->number == 0 ? SPINS_OF_CALLER : SPINS);
}

static void *work(void *argument)
{
    worker *me = argument;
    crew *crew = me->crew;
    pthread_mutex_lock(&crew->mutex); /* until it is settled how many there are */
    pthread_mutex_unlock(&crew->mutex);
    me->count = crew->workers;
    for (;;) {
        wait_for_all(crew, SPINS); /* for a task */
        if (crew->task == NULL)
            return NULL;
        crew->task(crew->job, me);
        wait_for_all(crew, SPINS); /* for the others to finish */
    }
}

/* Creates the threads 1 to workers - 1, or as many as the system allows: then `workers` says so, and `errno` why.  No
 * signal interrupts them: signals are for the threads of Python. */
static void start(crew *crew)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_mutex_lock(&crew->mutex);
    for (int i = 1; i < crew->workers; i++) {
        crew->members[i] = (worker){.number = i, .crew = crew};
        const int error = pthread_create(&crew->threads[i], NULL, work, &crew->members[i]);
        if (error != 0) {
            crew->workers = i;
            errno = error;
        }
    }
    pthread_mutex_unlock(&crew->mutex);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void release(crew *crew)
{
    pthread_cond_destroy(&crew->opened);
    pthread_mutex_destroy(&crew->mutex);
    free(crew->members);
    free(crew->threads);
    free(crew);
}

crew *crew_new(int workers, bool spin)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    crew *made = calloc(1, sizeof *made);
    if (made == NULL)
        return NULL;
    made->workers = workers;
    made->spin = spin;
    made->forks = atomic_load(&forks);
    made->threads = calloc((size_t)workers, sizeof *made->threads);
    made->members = calloc((size_t)workers, sizeof *made->members);
    pthread_mutex_init(&made->mutex, NULL);
    pthread_cond_init(&made->opened, NULL);
    if (made->threads == NULL || made->members == NULL) {
        release(made);
        errno = ENOMEM;
        return NULL;
    }
    start(made);
    if (made->workers < workers) {
        const int error = errno;
        crew_delete(made);
        errno = error;
        return NULL;
    }
    return made;
}

bool crew_lost(const crew *crew)
{
    return crew->forks != atomic_load(&forks);
}

void crew_delete(crew *crew)
{
    if (crew_lost(crew))
        return;
    if (crew->workers > 1) {
        crew->task = NULL;
        wait_for_all(crew, SPINS_OF_CALLER);
    }
    for (int i = 1; i < crew->workers; i++)
        pthread_join(crew->threads[i], NULL);
    release(crew);
}

void crew_run(crew *crew, crew_task *task, void *job)
{
    if (crew->workers == 1 || atomic_exchange(&crew->busy, true)) {
        task(job, &(worker){.number = 0, .count = 1, .crew = crew});
        return;
    }
    crew->task = task;
    crew->job = job;
    wait_for_all(crew, SPINS_OF_CALLER); /* the threads have the task */
    task(job, &(worker){.number = 0, .count = crew->workers, .crew = crew});
    wait_for_all(crew, SPINS_OF_CALLER); /* and have finished it */
    atomic_store(&crew->busy, false);
}
