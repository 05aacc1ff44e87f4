/* A pool of threads: POSIX threads that meet at a barrier, where they spin for a while and then sleep. */
#define _POSIX_C_SOURCE 200809L /* pthread_sigmask: strict C11 hides it */
#include "pool.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

/* How often a waiting thread looks before it sleeps: some 50 microseconds, since a pause takes 40 to 140 cycles.  To
 * fall asleep and be woken takes as long, and a layer is done by then: 174 of them take 20 ms.
 *
 * The caller looks for a millisecond, and so hardly ever sleeps.  After a rest the other threads come late, and Linux
 * would wake a caller that had fallen asleep on the processor of the thread that wakes it.  From then on both take
 * turns on that one, each asleep while the other works: an inference after a second of rest took 56 ms in place of 32.
 */
enum { SPINS = 2000, SPINS_OF_CALLER = 40000 };

/* What a thread is told. */
typedef struct {
    pool *pool;
    int worker;
} seat;

struct pool {
    int workers;
    bool spin;
    unsigned forks; /* how often the process had been forked when the pool was made */
    pthread_t *threads;
    seat *seats;
    pool_task *task; /* NULL: go home */
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

/* The last one to come opens the barrier and wakes those who sleep.  It looks for them after it has opened it, and they
 * look whether it is open after they have said that they sleep; all of that in one order that all threads agree on, as
 * C's atomic operations are by default.  So one of the two sees the other. */
static void wait_for_all(pool *pool, int spins)
{
    const unsigned phase = atomic_load(&pool->phase);
    if (atomic_fetch_add(&pool->arrived, 1) + 1 == pool->workers) {
        atomic_store(&pool->arrived, 0);
        atomic_store(&pool->phase, phase + 1);
        if (atomic_load(&pool->asleep) > 0) {
            pthread_mutex_lock(&pool->mutex);
            pthread_cond_broadcast(&pool->opened);
            pthread_mutex_unlock(&pool->mutex);
        }
        return;
    }
    for (int spin = 0; pool->spin && spin < spins; spin++) {
        if (atomic_load(&pool->phase) != phase)
            return;
        pause_briefly();
    }
    pthread_mutex_lock(&pool->mutex);
    atomic_fetch_add(&pool->asleep, 1);
    while (atomic_load(&pool->phase) == phase)
        pthread_cond_wait(&pool->opened, &pool->mutex);
    atomic_fetch_sub(&pool->asleep, 1);
    pthread_mutex_unlock(&pool->mutex);
}

void pool_barrier(const crew *me)
{
    if (me->workers > 1)
        wait_for_all(me->pool, me->worker == 0 ? SPINS_OF_CALLER : SPINS);
}

static void *work(void *argument)
{
    seat *seat = argument;
    pool *pool = seat->pool;
    pthread_mutex_lock(&pool->mutex); /* until it is settled how many there are */
    pthread_mutex_unlock(&pool->mutex);
    const crew me = {.worker = seat->worker, .workers = pool->workers, .pool = pool};
    for (;;) {
        wait_for_all(pool, SPINS); /* for a task */
        if (pool->task == NULL)
            return NULL;
        pool->task(pool->job, &me);
        wait_for_all(pool, SPINS); /* for the others to end */
    }
}

/* Makes the threads 1 to workers - 1, or as many as the system allows: then `workers` says so, and `errno` why.  No
 * signal interrupts them: signals are for the threads of Python. */
static void start(pool *pool)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_mutex_lock(&pool->mutex);
    for (int i = 1; i < pool->workers; i++) {
        pool->seats[i] = (seat){.pool = pool, .worker = i};
        const int error = pthread_create(&pool->threads[i], NULL, work, &pool->seats[i]);
        if (error != 0) {
            pool->workers = i;
            errno = error;
        }
    }
    pthread_mutex_unlock(&pool->mutex);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void release(pool *pool)
{
    pthread_cond_destroy(&pool->opened);
    pthread_mutex_destroy(&pool->mutex);
    free(pool->seats);
    free(pool->threads);
    free(pool);
}

pool *pool_new(int workers, bool spin)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    pool *made = calloc(1, sizeof *made);
    if (made == NULL)
        return NULL;
    made->workers = workers;
    made->spin = spin;
    made->forks = atomic_load(&forks);
    made->threads = calloc((size_t)workers, sizeof *made->threads);
    made->seats = calloc((size_t)workers, sizeof *made->seats);
    pthread_mutex_init(&made->mutex, NULL);
    pthread_cond_init(&made->opened, NULL);
    if (made->threads == NULL || made->seats == NULL) {
        release(made);
        errno = ENOMEM;
        return NULL;
    }
    start(made);
    if (made->workers < workers) {
        const int error = errno;
        pool_delete(made);
        errno = error;
        return NULL;
    }
    return made;
}

bool pool_lost(const pool *pool)
{
    return pool->forks != atomic_load(&forks);
}

void pool_delete(pool *pool)
{
    if (pool_lost(pool))
        return;
    if (pool->workers > 1) {
        pool->task = NULL;
        wait_for_all(pool, SPINS_OF_CALLER);
    }
    for (int i = 1; i < pool->workers; i++)
        pthread_join(pool->threads[i], NULL);
    release(pool);
}

void pool_run(pool *pool, pool_task *task, void *job)
{
    if (pool->workers == 1 || atomic_exchange(&pool->busy, true)) {
        task(job, &(crew){.worker = 0, .workers = 1, .pool = pool});
        return;
    }
    pool->task = task;
    pool->job = job;
    wait_for_all(pool, SPINS_OF_CALLER); /* the threads have the task */
    task(job, &(crew){.worker = 0, .workers = pool->workers, .pool = pool});
    wait_for_all(pool, SPINS_OF_CALLER); /* and have ended it */
    atomic_store(&pool->busy, false);
}
