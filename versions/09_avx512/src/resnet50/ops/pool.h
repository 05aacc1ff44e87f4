/* A pool of threads that do the same work together: each a part of every layer, all of them layer by layer. */
#ifndef POOL_H
#define POOL_H

#include <stdbool.h>

typedef struct pool pool;

/* One of the `workers` that work together, counted from 0; the calling thread is the first. */
typedef struct {
    int worker, workers;
    pool *pool;
} crew;

typedef void pool_task(void *job, const crew *me);

/* A pool of `workers` threads, of which the later caller is one, so that one fewer are made; NULL with `errno` set if
 * they cannot be.  A thread that waits looks for some time whether it can go on, if it may `spin`: if there is a
 * processor for every worker.  Then it sleeps. */
pool *pool_new(int workers, bool spin);

/* Ends the threads.  Nobody may be working.  Of a pool that was made before a fork, the child has only the memory:
 * there it does nothing. */
void pool_delete(pool *pool);

/* Whether the process was forked since the pool was made, so that its threads are not here. */
bool pool_lost(const pool *pool);

/* Runs `task` in every worker, the caller included, and returns when all have ended.  If the pool is at work already,
 * for another caller, the caller does the whole task alone. */
void pool_run(pool *pool, pool_task *task, void *job);

/* Waits until the whole crew has come here: what one has written before, all can read after. */
void pool_barrier(const crew *me);

#endif
