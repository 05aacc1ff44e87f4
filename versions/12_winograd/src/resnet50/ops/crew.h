/* A crew of threads that do the same work together: each some parts of every step, all of them step by step. */
#ifndef CREW_H
#define CREW_H

#include <stdbool.h>

typedef struct crew crew;

/* One of the `count` workers of a crew, numbered from 0; the first is the calling thread. */
typedef struct {
    int number, count;
    crew *crew;
} worker;

typedef void crew_task(void *job, const worker *me);

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

/* Runs `task` in every worker, the caller included, and returns when all have finished.  If the crew is already working
 * for another caller, this caller does the whole task alone. */
void crew_run(crew *crew, crew_task *task, void *job);

/* Waits until the whole crew has come here: what one has written before, all can read after. */
void crew_barrier(const worker *me);

#endif
