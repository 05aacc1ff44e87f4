/* Splits a step among the workers of a crew. */
#ifndef SHARE_H
#define SHARE_H

#include "crew.h"
#include "plan.h"

/* A worker's share of a step, which is a step itself.  Each number is computed by one worker, in the same way whichever
 * it is, so that the result does not depend on how many there are. */
plan_step share(const plan_step *step, const worker *me);

#endif
