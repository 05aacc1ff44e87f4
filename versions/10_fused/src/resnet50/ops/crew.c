/* A crew of threads: POSIX threads that claim pieces of a step, and spin for a while and then sleep when none is left.
 *
 * A step is done when its pieces are, whoever did them.  A barrier would wait for each worker instead, also for one
 * that has no work but that Linux has put aside for another process: for some 4 ms, a hundred times in an inference. */
#define _POSIX_C_SOURCE 200809L /* pthread_sigmask: strict C11 hides it */
#include "crew.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* How often a waiting thread looks before it sleeps: for some 20 microseconds, since a pause takes 40 to 140 cycles.
 * Most steps are done by then.  The caller looks longer: after a rest the others come late, and Linux would wake a
 * caller that had fallen asleep on the processor of the thread that wakes it, where the two would take turns: 56 ms in
 * place of 32 for an inference.  But while it looks, a thread that Linux has put aside does not get its processor:
 * beside one busy program two threads of 12 took 1 % longer than one, and 3 % with 2000 and 8000, on a Zen 4. */
enum { SPINS = 800, SPINS_OF_CALLER = 2000 };

/* A step has a share for each worker, but at most SHARES, and a share has up to PIECES.  The more, the shorter is the
 * wait for the last one, but each piece has rows of the stem that its neighbour computes too. */
enum { SHARES = 16, PIECES = 8 };

enum { LINE = 64 }; /* bytes of a cache line */

/* How many pieces of a share nobody has claimed yet; in a cache line that only claims touch. */
typedef struct {
    _Alignas(LINE) atomic_ptrdiff_t left;
} share;

typedef struct {
    int number;
    crew *crew;
} worker;

struct crew {
    int workers;
    bool spin;
    unsigned forks; /* how often the process had been forked when the crew was made */
    pthread_t *threads;
    worker *members; /* what each thread is told of itself */
    int shares;      /* of a step, as many as workers, but at most SHARES */
    share share[SHARES];
    crew_job *job; /* these two are only for who has claimed a piece: until it is done, they stay as they are */
    ptrdiff_t step;
    atomic_ptrdiff_t unfinished; /* pieces of the step */
    atomic_bool busy, running, over;
    atomic_int asleep;
    atomic_uint phase; /* how often there has been something new: a step to be done, the end of a job, or of the crew */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
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

/* Says that there is something new, and wakes the sleepers.  It looks for sleepers after that, and they look for
 * something new after announcing their sleep.  C's atomic operations are sequentially consistent by default: all
 * threads agree on one order of these four steps.  So one of the two sees the other. */
static void announce(crew *crew)
{
    atomic_fetch_add(&crew->phase, 1);
    if (atomic_load(&crew->asleep) > 0) {
        pthread_mutex_lock(&crew->mutex);
        pthread_cond_broadcast(&crew->changed);
        pthread_mutex_unlock(&crew->mutex);
    }
}

/* Waits until there is something new since the phase that was `seen`. */
static void wait_for_news(crew *crew, unsigned seen, int spins)
{
    for (int spin = 0; crew->spin && spin < spins; spin++) {
        if (atomic_load(&crew->phase) != seen)
            return;
        pause_briefly();
    }
    pthread_mutex_lock(&crew->mutex);
    atomic_fetch_add(&crew->asleep, 1);
    while (atomic_load(&crew->phase) == seen)
        pthread_cond_wait(&crew->changed, &crew->mutex);
    atomic_fetch_sub(&crew->asleep, 1);
    pthread_mutex_unlock(&crew->mutex);
}

/* A share of a step: its parts, `first` to `end`, `size` of them in a piece. */
typedef struct {
    ptrdiff_t first, end, size, pieces;
} portion;

static portion portion_of(const crew *crew, ptrdiff_t step, int share)
{
    const ptrdiff_t parts = crew->job->parts(crew->job, step);
    portion p = {.first = parts * share / crew->shares, .end = parts * (share + 1) / crew->shares};
    p.size = (p.end - p.first + PIECES - 1) / PIECES;
    p.pieces = p.size ? (p.end - p.first + p.size - 1) / p.size : 0;
    return p;
}

/* Offers the pieces of a step.  Once all are offered, others may finish the step and offer the next one.  So a share
 * without pieces is left alone: it is empty already, and by then it might have some of the next step. */
static void offer(crew *crew, ptrdiff_t step)
{
    ptrdiff_t pieces[SHARES] = {0}, total = 0;
    for (int k = 0; k < crew->shares; k++)
        total += pieces[k] = portion_of(crew, step, k).pieces;
    crew->step = step;
    atomic_store(&crew->unfinished, total);
    for (int k = 0; k < crew->shares; k++) {
        if (pieces[k] > 0)
            atomic_store(&crew->share[k].left, pieces[k]);
    }
    announce(crew);
}

/* Called when all pieces of the step are done: nobody else looks at the job until the next step is offered. */
static void finish_step(crew *crew)
{
    crew_job *job = crew->job;
    const ptrdiff_t step = crew->step;
    if (job->finish != NULL)
        job->finish(job, step);
    if (step + 1 < job->steps) {
        offer(crew, step + 1);
    } else {
        atomic_store(&crew->running, false);
        announce(crew);
    }
}

/* Claims a piece of a share: returns how many were left, or 0 if none was. */
static ptrdiff_t claim(share *share)
{
    ptrdiff_t left = atomic_load(&share->left);
    while (left > 0 && !atomic_compare_exchange_weak(&share->left, &left, left - 1))
        continue;
    return left;
}

/* Computes the piece that was claimed when `left` were left. */
static void compute(crew *crew, int number, int share, ptrdiff_t left)
{
    const portion p = portion_of(crew, crew->step, share);
    const ptrdiff_t first = p.first + (p.pieces - left) * p.size, end = first + p.size;
    crew->job->compute(crew->job, crew->step, number, first, end < p.end ? end : p.end);
    if (atomic_fetch_sub(&crew->unfinished, 1) == 1)
        finish_step(crew);
}

/* Computes a piece, or, if none is left, waits for news since the phase that was `seen`.  It begins with the worker's
 * own share, which is the same part of every output, so that it finds in its caches what it wrote in the step before;
 * then it helps with the others'.  So whoever is slower, or comes late, finds less to do. */
static void work(crew *crew, int number, int spins, unsigned seen)
{
    for (int j = 0; j < crew->shares; j++) {
        const int share = (number + j) % crew->shares;
        const ptrdiff_t left = claim(&crew->share[share]);
        if (left > 0) {
            compute(crew, number, share, left);
            return;
        }
    }
    wait_for_news(crew, seen, spins);
}

static void *run(void *argument)
{
    const worker *me = argument;
    crew *crew = me->crew;
    pthread_mutex_lock(&crew->mutex); /* until it is settled how many there are */
    pthread_mutex_unlock(&crew->mutex);
    for (;;) {
        const unsigned seen = atomic_load(&crew->phase); /* first, or the end might be neither seen nor waited for */
        if (atomic_load(&crew->over))
            return NULL;
        work(crew, me->number, SPINS, seen);
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
        const int error = pthread_create(&crew->threads[i], NULL, run, &crew->members[i]);
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
    pthread_cond_destroy(&crew->changed);
    pthread_mutex_destroy(&crew->mutex);
    free(crew->members);
    free(crew->threads);
    free(crew);
}

crew *crew_new(int workers, bool spin)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    crew *made = aligned_alloc(LINE, sizeof *made);
    if (made == NULL)
        return NULL;
    memset(made, 0, sizeof *made);
    made->workers = workers;
    made->shares = workers < SHARES ? workers : SHARES;
    made->spin = spin;
    made->forks = atomic_load(&forks);
    made->threads = calloc((size_t)workers, sizeof *made->threads);
    made->members = calloc((size_t)workers, sizeof *made->members);
    pthread_mutex_init(&made->mutex, NULL);
    pthread_cond_init(&made->changed, NULL);
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

int crew_workers(const crew *crew)
{
    return crew->workers;
}

void crew_delete(crew *crew)
{
    if (crew_lost(crew))
        return;
    atomic_store(&crew->over, true);
    announce(crew);
    for (int i = 1; i < crew->workers; i++)
        pthread_join(crew->threads[i], NULL);
    release(crew);
}

void crew_run(crew *crew, crew_job *job)
{
    if (crew->workers == 1 || atomic_exchange(&crew->busy, true)) {
        for (ptrdiff_t step = 0; step < job->steps; step++) {
            job->compute(job, step, 0, 0, job->parts(job, step));
            if (job->finish != NULL)
                job->finish(job, step);
        }
        return;
    }
    crew->job = job;
    atomic_store(&crew->running, job->steps > 0);
    if (job->steps > 0)
        offer(crew, 0);
    for (;;) {
        const unsigned seen = atomic_load(&crew->phase); /* first, as above */
        if (!atomic_load(&crew->running))
            break;
        work(crew, 0, SPINS_OF_CALLER, seen);
    }
    atomic_store(&crew->busy, false);
}
