// SPDX-License-Identifier: Apache-2.0
/* What this process has recorded of its calls (P2PLAB_MONITOR), for the process itself. Since interface 3. */
#ifndef P2PLAB_C_RECORDED_H
#define P2PLAB_C_RECORDED_H

/* This is C. NOLINTBEGIN(modernize-use-using,modernize-deprecated-headers,readability-identifier-naming) */

#include "p2plab/c/p2plab.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A call, or, of a graph, a call that was captured with what its replays came to. Times are microseconds, 0: not known; begin is ns of
 * CLOCK_MONOTONIC. */
typedef struct p2plab_recorded {
  uint64_t number;       /* in the record, of a captured call among those */
  uint64_t communicator; /* the same on all its ranks */
  uint64_t sequence;     /* in its communicator, of a replay among the replays */
  uint64_t count;
  uint64_t begun_ns; /* of replays the last one */
  double time_us;    /* the device's time, of replays the last one's */
  double predicted_us;
  double low_us; /* the interval of that; 0 and 0: none */
  double high_us;
  uint64_t replays; /* of a captured call, so far; of a replay 1, else 0 */
  double sum_us;    /* of replays, with the least and the most */
  double least_us;
  double most_us;
  int rank;
  int ranks;
  int kind; /* p2plab_kind; -1: none of those */
  int type; /* p2plab_type; -1: none */
  int op;   /* p2plab_op; -1: none */
  int captured;
  int replayed;
  int failed;
  char algorithm[32];
  char protocol[16];
  char backend[8]; /* p2p, host, nccl */
} p2plab_recorded;

/* Calls from number *next on, at most `room`, in order; `size` is that of p2plab_recorded, as its program knows it. *next becomes the number of the
   first that was not given, or, if there is no room, of the next one that will be made; *lost: those that were overwritten before. What kernels wrote
   until now is seen.
   P2PLAB_UNSUPPORTED: nothing is recorded here, or this process was forked from one that records. */
p2plab_result p2plab_recorded_calls(uint64_t* next, p2plab_recorded* calls, size_t size, size_t room, size_t* given, uint64_t* lost);
/* Calls in graphs, from the first one on, that are counted so far; *all: how many there are. Of calls of one graph that are alike kernels note one in
   so many, unless P2PLAB_MONITOR_EACH is 1: the others have the times of the noted one before them. */
p2plab_result p2plab_recorded_replays(p2plab_recorded* calls, size_t size, size_t room, size_t* all);

#ifdef __cplusplus
}
#endif

/* NOLINTEND(modernize-use-using,modernize-deprecated-headers,readability-identifier-naming) */
#endif
