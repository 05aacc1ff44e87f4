/* A crew of threads that do the steps of a job together: whoever is free claims the next piece of the step. */
#ifndef CREW_H
#define CREW_H

#include <stdbool.h>
#include <stddef.h>

typedef struct crew crew;

/* A job of `steps`, one after the other.  A step has parts, at least one, which workers can compute at the same time.
 * `compute` does those from `first` to `end`; the workers are numbered from 0, and the first is the calling thread.
 * `finish`, which may be NULL, is called by one of them when a step is done, before the next one begins. */
typedef struct crew_job {
    ptrdiff_t steps;
    ptrdiff_t (*parts)(const struct crew_job *job, ptrdiff_t step);
    void (*compute)(const struct crew_job *job, ptrdiff_t step, int worker, ptrdiff_t first, ptrdiff_t end);
    void (*finish)(struct crew_job *job, ptrdiff_t step);
} crew_job;

/* A crew of `workers`, one of them the later caller, so that one thread fewer is created; NULL with `errno` set if they
 * cannot be.  A waiting thread first spins for a while, if it may `spin` because there is a processor for every worker,
 * and then sleeps. */
crew *crew_new(int workers, bool spin);

/* Ends the threads.  Nobody may be working.  In a forked child only the memory of its parent's crew exists: there it
 * does nothing. */
void crew_delete(crew *crew);

/* Whether the process was forked since the crew was made, so that its threads are missing here. */
bool crew_lost(const crew *crew);

/* How many workers it has. */
int crew_workers(const crew *crew);

/* Does the job, and returns when all of it is done.  What is written in a step, all workers can read in the next.
 * If the crew is already working for another caller, this caller does the whole job alone. */
void crew_run(crew *crew, crew_job *job);

#endif
