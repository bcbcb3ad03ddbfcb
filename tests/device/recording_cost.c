// SPDX-License-Identifier: Apache-2.0
/* What recording costs, by level, in turns with no recording: of calls in graphs and eager ones, by size. Then, that replays are counted exactly.

     recording_cost LIBP2PLAB FOLDER [RANKS [GPUS [SETS [BYTES]]]]     (calls of at most so many bytes; 2 ranks on 1 GPU; rank r on GPU r modulo GPUS)
   1: miscounted; 77: no such GPUs

   The records of each level lie in FOLDER/LEVEL: `p2plab monitor --dir FOLDER/steps --ended --once --trace FILE` shows the steps of the last one.
   Each level has a copy of the library, for a process records at one level, and SETS sets of communicators (2; better 4): two sets of one level
   differ by where their memory lies, at 1 KiB by a percent. A round is a graph of so many calls on each rank, or so many calls; the sets of all
   levels take turns round by round. What is printed are means over sets of medians over rounds, and how far the sets lie apart. */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "p2plab/c/recorded.h"

#include "measuring.h"

enum { levels = 4, most_sets = 8, most_ranks = 4, rounds = 61, skip = 77 };
static const char* const level_names[levels] = {"off", "basic", "detailed", "steps"};
static int ranks = 2;
static int gpus = 1;
static int sets = 2;

static int (*synchronize)(void*);
static int (*begin_capture)(void*, int);
static int (*end_capture)(void*, void**);
static int (*instantiate)(void**, void*, unsigned long long);
static int (*launch_graph)(void*, void*);
static int (*destroy_exec)(void*);
static int (*record_event)(void*, void*);
static int (*elapsed)(float*, void*, void*);
static uint64_t buffers[most_ranks];
static void* streams[most_ranks];
static void* events[2];
static const size_t most_bytes = (size_t)64 << 20;

static int set_up_gpus(void) {
  void* driver = dlopen("libcuda.so.1", RTLD_NOW);
  if (driver == NULL || ((int (*)(unsigned))symbol(driver, "cuInit"))(0) != 0) return 0;
  int there = 0;
  if (((int (*)(int*))symbol(driver, "cuDeviceGetCount"))(&there) != 0 || there < gpus) return 0;
  /* Those of rank 0 last: it is timed by events of its context, which is the one that stays current. */
  for (int r = ranks - 1; r >= 0; --r) {
    void* context = NULL;
    must(((int (*)(void**, int))symbol(driver, "cuDevicePrimaryCtxRetain"))(&context, r % gpus), "context");
    must(((int (*)(void*))symbol(driver, "cuCtxSetCurrent"))(context), "context");
    must(((int (*)(uint64_t*, size_t))symbol(driver, "cuMemAlloc_v2"))(&buffers[r], 2 * most_bytes), "memory");
    must(((int (*)(uint64_t, unsigned char, size_t))symbol(driver, "cuMemsetD8_v2"))(buffers[r], 0, 2 * most_bytes), "memory");
    must(((int (*)(void**, unsigned))symbol(driver, "cuStreamCreate"))(&streams[r], 1), "stream");
  }
  for (int e = 0; e < 2; ++e) must(((int (*)(void**, unsigned))symbol(driver, "cuEventCreate"))(&events[e], 0), "event");
  *(void**)&synchronize = symbol(driver, "cuStreamSynchronize");
  *(void**)&begin_capture = symbol(driver, "cuStreamBeginCapture_v2");
  *(void**)&end_capture = symbol(driver, "cuStreamEndCapture");
  *(void**)&instantiate = symbol(driver, "cuGraphInstantiateWithFlags");
  *(void**)&launch_graph = symbol(driver, "cuGraphLaunch");
  *(void**)&destroy_exec = symbol(driver, "cuGraphExecDestroy");
  *(void**)&record_event = symbol(driver, "cuEventRecord");
  *(void**)&elapsed = symbol(driver, "cuEventElapsedTime");
  return 1;
}

/* Communicators at one level, and calls of them. */
struct Set {
  p2plab_comm* comms[most_ranks];
  void* graphs[most_ranks];
};
/* The library at one level. */
struct Level {
  struct Set sets[most_sets];
  p2plab_result (*all_reduce)(const void*, void*, size_t, p2plab_type, p2plab_op, p2plab_comm*, p2plab_stream);
  p2plab_result (*prepare)(p2plab_comm*, const p2plab_call*);
  p2plab_result (*destroy)(p2plab_comm*);
  p2plab_result (*replays)(p2plab_recorded*, size_t, size_t, size_t*);
  const char* (*why)(void);
};
static struct Level all[levels];
static char folders[levels][500];
static p2plab_result (*inits[levels])(p2plab_comm**, int, const int*, const p2plab_config*);

static void open_level(int l, const char* path, const char* folder) {
  char copy[600];
  char command[1200];
  snprintf(folders[l], sizeof folders[l], "%s/%s", folder, level_names[l]);
  mkdir(folders[l], 0700);
  snprintf(copy, sizeof copy, "%s/libp2plab.so", folders[l]);
  snprintf(command, sizeof command, "cp -L '%s' '%s'", path, copy);
  must(system(command), command);
  void* library = dlopen(copy, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) {
    fprintf(stderr, "%s\n", dlerror());
    exit(1);
  }
  remove(copy);
  struct Level* level = &all[l];
  *(void**)&inits[l] = symbol(library, "p2plab_comm_init_all");
  *(void**)&level->all_reduce = symbol(library, "p2plab_all_reduce");
  *(void**)&level->prepare = symbol(library, "p2plab_prepare");
  *(void**)&level->destroy = symbol(library, "p2plab_comm_destroy");
  *(void**)&level->replays = symbol(library, "p2plab_recorded_replays");
  *(void**)&level->why = symbol(library, "p2plab_last_error");
}

/* A set: the process records at the level that the first communicator of a library's copy finds. */
static void init_set(int l, int s) {
  setenv("P2PLAB_MONITOR", level_names[l], 1);
  setenv("P2PLAB_MONITOR_DIR", folders[l], 1);
  p2plab_config config = P2PLAB_CONFIG;
  config.prepare = "";
  config.load_nccl = 0;
  config.deadline_seconds = 20;
  int devices[most_ranks];
  for (int r = 0; r < most_ranks; ++r) devices[r] = r % gpus;
  must(inits[l](all[l].sets[s].comms, ranks, devices, &config), all[l].why());
}

static void call(struct Level* level, const struct Set* set, int rank, size_t bytes) {
  if (level->all_reduce((void*)buffers[rank], (void*)(buffers[rank] + most_bytes), bytes / 2, P2PLAB_BFLOAT16, P2PLAB_SUM, set->comms[rank],
                        streams[rank]) == P2PLAB_OK)
    return;
  fprintf(stderr, "%s\n", level->why());
  exit(1);
}

static void wait_all(void) {
  for (int r = 0; r < ranks; ++r) must(synchronize(streams[r]), "wait");
}

/* Programs are made before anything is captured. */
static void prepare(struct Level* level, struct Set* set, size_t bytes) {
  const p2plab_call wanted = {P2PLAB_ALL_REDUCE, bytes / 2, P2PLAB_BFLOAT16, P2PLAB_SUM, 0, 0};
  must(level->prepare(set->comms[0], &wanted), level->why());
  for (int r = 0; r < ranks; ++r) call(level, set, r, bytes);
  wait_all();
}

static void capture(struct Level* level, struct Set* set, size_t bytes, int calls) {
  for (int r = 0; r < ranks; ++r) {
    void* graph = NULL;
    must(begin_capture(streams[r], 2), "capture");
    for (int c = 0; c < calls; ++c) call(level, set, r, bytes);
    must(end_capture(streams[r], &graph), "capture");
    must(instantiate(&set->graphs[r], graph, 0), "graph");
  }
}

/* Time of a call in a graph by events, us; a graph runs before, so that all ranks are on the way. */
static double graph_round(const struct Set* set, int calls) {
  for (int r = 0; r < ranks; ++r) must(launch_graph(set->graphs[r], streams[r]), "replay");
  must(record_event(events[0], streams[0]), "event");
  for (int turn = 0; turn < 2; ++turn)
    for (int r = 0; r < ranks; ++r) must(launch_graph(set->graphs[r], streams[r]), "replay");
  must(record_event(events[1], streams[0]), "event");
  wait_all();
  float ms = 0;
  must(elapsed(&ms, events[0], events[1]), "time");
  return (double)ms * 1e3 / (2 * calls);
}

/* Host time of a call of one rank, and the time until it is done, us. */
static double eager_round(struct Level* level, const struct Set* set, size_t bytes, int calls, double* done) {
  const double begun = now();
  for (int c = 0; c < calls; ++c)
    for (int r = 0; r < ranks; ++r) call(level, set, r, bytes);
  const double put = now();
  wait_all();
  *done = (now() - begun) / calls;
  return (put - begun) / (calls * ranks);
}

/* The mean over sets of medians over rounds; how far they lie apart goes to `apart`. */
static double middle(double values[most_sets][rounds], double* apart) {
  double sum = 0;
  double least = 1e30;
  double most = 0;
  for (int s = 0; s < sets; ++s) {
    const double value = median(values[s], rounds);
    sum += value;
    if (value < least) least = value;
    if (value > most) most = value;
  }
  *apart = most - least;
  return sum / sets;
}

static void measure(size_t bytes, int calls) {
  static double graph[levels][most_sets][rounds];
  static double host[levels][most_sets][rounds];
  static double done[levels][most_sets][rounds];
  const int turns = levels * sets;
  for (int k = 0; k < turns; ++k) {
    const int s = k / levels;
    struct Level* level = &all[(k + s) % levels];
    prepare(level, &level->sets[s], bytes);
    capture(level, &level->sets[s], bytes, calls);
  }
  for (int round = -3; round < rounds; ++round) {
    for (int k = 0; k < turns; ++k) {
      const int which = (k + round + turns) % turns; /* nobody is always first */
      const int l = which % levels;
      const int s = which / levels;
      double until = 0;
      const double in_graph = graph_round(&all[l].sets[s], calls);
      const double put = eager_round(&all[l], &all[l].sets[s], bytes, calls, &until);
      if (round < 0) continue;
      graph[l][s][round] = in_graph;
      host[l][s][round] = put;
      done[l][s][round] = until;
    }
  }
  double g0 = 0, h0 = 0, d0 = 0;
  for (int l = 0; l < levels; ++l) {
    double apart = 0;
    double none = 0;
    const double h = middle(host[l], &none);
    const double d = middle(done[l], &none);
    const double g = middle(graph[l], &apart);
    if (l == 0) g0 = g, h0 = h, d0 = d;
    printf(
        "%9zu B  %-9s  in a graph %9.3f us (%+.3f us, %+.2f %%; sets %.3f us apart)  eager: host %7.3f us (%+.3f us)  until done %9.3f us (%+.3f us, "
        "%+.2f %%)\n",
        bytes, level_names[l], g, g - g0, 100 * (g / g0 - 1), apart, h, h - h0, d, d - d0, 100 * (d / d0 - 1));
  }
  fflush(stdout);
  for (int k = 0; k < turns; ++k)
    for (int r = 0; r < ranks; ++r) must(destroy_exec(all[k % levels].sets[k / levels].graphs[r]), "graph");
}

/* A graph of three calls, so many times: is each counted on each rank, and is its time by the kernels' clock beside that by events? 1: miscounted. */
static int count_replays(int l, size_t bytes, int times) {
  enum { calls = 3, most = 4096 };
  static p2plab_recorded recorded[most];
  struct Level* level = &all[l];
  struct Set* set = &level->sets[0];
  size_t found = 0;
  int bad = 0;
  double us = 0;
  prepare(level, set, bytes);
  capture(level, set, bytes, calls);
  for (int i = 0; i < times / 4; ++i) {
    for (int r = 0; r < ranks; ++r) must(launch_graph(set->graphs[r], streams[r]), "replay");
    us += graph_round(set, calls); /* three more */
  }
  must(level->replays(recorded, sizeof *recorded, most, &found), level->why());
  for (int r = 0; r < ranks; ++r) {
    unsigned long long counted = 0;
    double sum = 0;
    double least = 1e30;
    double longest = 0;
    for (size_t i = 0; i < found && i < most; ++i) {
      if (recorded[i].rank != r || recorded[i].count != bytes / 2) continue;
      counted += recorded[i].replays;
      sum += recorded[i].sum_us;
      if (recorded[i].least_us < least) least = recorded[i].least_us;
      if (recorded[i].most_us > longest) longest = recorded[i].most_us;
    }
    printf(
        "%-8s  rank %d: %llu of %d replayed calls of %zu B counted; %.3f us each by their own clock (%.3f to %.3f), %.3f us by events around "
        "graphs\n",
        level_names[l], r, counted, calls * times, bytes, counted ? sum / (double)counted : 0, least, longest, us / (times / 4));
    bad |= counted != (unsigned long long)(calls * times);
  }
  return bad;
}

int main(int words, char** word) {
  if (words < 3) return 2;
  if (words > 3) ranks = atoi(word[3]);
  if (words > 4) gpus = atoi(word[4]);
  if (words > 5) sets = atoi(word[5]);
  const size_t most = words > 6 ? (size_t)atol(word[6]) : most_bytes;
  if (sets < 1 || sets > most_sets || ranks < 1 || ranks > most_ranks || gpus < 1 || gpus > ranks) return 2;
  if (!set_up_gpus()) {
    printf("skipped: not %d GPUs\n", gpus);
    return skip;
  }
  for (int l = 0; l < levels; ++l) open_level(l, word[1], word[2]);
  for (int s = 0; s < sets; ++s)
    for (int l = 0; l < levels; ++l) init_set((l + s) % levels, s); /* no level always has the first memory */
  printf("%d ranks on %d GPUs, all-reduce of bfloat16, %d sets of communicators a level, medians of %d rounds in turns\n", ranks, gpus, sets,
         (int)rounds);
  static const struct {
    size_t bytes;
    int calls;
  } sizes[] = {{1 << 10, 100}, {64 << 10, 100}, {1 << 20, 50}, {(size_t)64 << 20, 4}};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; ++i)
    if (sizes[i].bytes <= most) measure(sizes[i].bytes, sizes[i].calls);
  int bad = 0;
  for (int l = 1; l < levels; ++l) {
    bad |= count_replays(l, 16 << 10, 10000);
    if (most == most_bytes) bad |= count_replays(l, most_bytes / 2, 400); /* launches are nothing beside it */
  }
  for (int k = 0; k < levels * sets; ++k)
    for (int r = 0; r < ranks; ++r) all[k % levels].destroy(all[k % levels].sets[k / levels].comms[r]);
  return bad;
}
