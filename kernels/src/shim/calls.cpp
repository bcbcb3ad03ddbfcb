// SPDX-License-Identifier: Apache-2.0
#include "shim/calls.h"

#include <algorithm>
#include <string>
#include <utility>

#include "shim/communicators.h"
#include "shim/counters.h"
#include "shim/recording.h"

namespace p2plab::shim {

Thread& thread() {
  thread_local Thread state;
  return state;
}

int pass_on(const Collective& c) {
  switch (c.kind) {
    case P2PLAB_ALL_REDUCE: return real(p2plab_real_ncclAllReduce, c.send, c.receive, c.count, c.type, c.op, c.comm, c.stream);
    case P2PLAB_REDUCE: return real(p2plab_real_ncclReduce, c.send, c.receive, c.count, c.type, c.op, c.root, c.comm, c.stream);
    case P2PLAB_REDUCE_SCATTER: return real(p2plab_real_ncclReduceScatter, c.send, c.receive, c.count, c.type, c.op, c.comm, c.stream);
    case P2PLAB_ALL_GATHER: return real(p2plab_real_ncclAllGather, c.send, c.receive, c.count, c.type, c.comm, c.stream);
    case P2PLAB_BROADCAST: return real(p2plab_real_ncclBroadcast, c.send, c.receive, c.count, c.type, c.root, c.comm, c.stream);
    case P2PLAB_GATHER: return real(p2plab_real_ncclGather, c.send, c.receive, c.count, c.type, c.root, c.comm, c.stream);
    case P2PLAB_SCATTER: return real(p2plab_real_ncclScatter, c.send, c.receive, c.count, c.type, c.root, c.comm, c.stream);
    case P2PLAB_ALL_TO_ALL: return real(p2plab_real_ncclAlltoAll, c.send, c.receive, c.count, c.type, c.comm, c.stream);
    case P2PLAB_SEND_RECEIVE: break;
  }
  return invalid_usage;
}

namespace {

p2plab_result serve(const Collective& c, p2plab_comm* ours) {
  const auto& library = runtime();
  const auto type = static_cast<p2plab_type>(c.type);
  const auto op = static_cast<p2plab_op>(c.op);
  switch (c.kind) {
    case P2PLAB_ALL_REDUCE: return library.all_reduce(c.send, c.receive, c.count, type, op, ours, c.stream);
    case P2PLAB_REDUCE: return library.reduce(c.send, c.receive, c.count, type, op, c.root, ours, c.stream);
    case P2PLAB_REDUCE_SCATTER: return library.reduce_scatter(c.send, c.receive, c.count, type, op, ours, c.stream);
    case P2PLAB_ALL_GATHER: return library.all_gather(c.send, c.receive, c.count, type, ours, c.stream);
    case P2PLAB_BROADCAST: return library.broadcast(c.send, c.receive, c.count, type, c.root, ours, c.stream);
    case P2PLAB_GATHER: return library.gather(c.send, c.receive, c.count, type, c.root, ours, c.stream);
    case P2PLAB_SCATTER: return library.scatter(c.send, c.receive, c.count, type, c.root, ours, c.stream);
    case P2PLAB_ALL_TO_ALL: return library.all_to_all(c.send, c.receive, c.count, type, ours, c.stream);
    case P2PLAB_SEND_RECEIVE: break;
  }
  return P2PLAB_INVALID;
}

// All ranks name the same type, operation and count, so all count the same calls. float8 and operations that a caller made are NCCL's.
bool may_be_ours(const Collective& c) {
  constexpr int last_type = 9;
  constexpr int last_op = 4;
  return c.type >= 0 && c.type <= last_type && c.op >= 0 && c.op <= last_op && c.count > 0;
}

// With one order of sums nobody else may add.
bool only_ours(const Collective& c) {
  const bool adds = c.kind == P2PLAB_ALL_REDUCE || c.kind == P2PLAB_REDUCE || c.kind == P2PLAB_REDUCE_SCATTER;
  return adds && c.count > 0 && c.op != P2PLAB_MAX && c.op != P2PLAB_MIN && one_order_of_sums();
}

int leave_to_nccl(const Collective& c, const Recorded& record, Outcome outcome, const char* why) {
  if (only_ours(c)) {
    say(std::string{"P2PLAB_ORDER=fixed: NCCL may not add in our stead: "} + why);
    record.failed(why);
    return invalid_usage;
  }
  counters().add(outcome);
  record.goes_to_nccl(why);
  return pass_on(c);
}

p2plab_call as_ours(const Collective& c) { return {c.kind, c.count, static_cast<p2plab_type>(c.type), static_cast<p2plab_op>(c.op), c.root, 0}; }

// Of ours or NCCL's, by what ours answered; an error of ours is no reason to ask NCCL, whose other ranks were not asked.
int conclude(const Collective& c, const Recorded& record, p2plab_result result) {
  if (result == P2PLAB_OK) {
    counters().add(Outcome::served);
    record.served();
    return success;
  }
  if (result == P2PLAB_NOT_SERVED) return leave_to_nccl(c, record, Outcome::not_ready, "no program is ready");
  if (result == P2PLAB_LEFT_TO_NCCL) return leave_to_nccl(c, record, Outcome::left_to_nccl, "NCCL is faster, or was asked for");
  say(std::string{"a call failed: "} + runtime().last_error());
  record.failed(runtime().last_error());
  return system_error;
}

int begin(const Collective& c, bool grouped) {
  const auto peer = communicators().find(c.comm);
  const auto ours = peer == nullptr || !may_be_ours(c) ? nullptr : peer->note(as_ours(c));
  if (ours != nullptr && grouped && runtime().servers(ours.get()) > 1) {
    const auto call = as_ours(c);
    const auto result = runtime().reserve(ours.get(), &call);
    if (result != P2PLAB_OK) return conclude(c, Recorded(c), result);
    thread().decided.push_back(c);
    return success;
  }
  const Recorded record(c);
  if (!may_be_ours(c)) return leave_to_nccl(c, record, Outcome::type_or_operation, "a type or operation that is NCCL's");
  if (ours == nullptr) return leave_to_nccl(c, record, Outcome::no_communicator, "no communicator of p2plab");
  return conclude(c, record, serve(c, ours.get()));
}

}  // namespace

int call(const Collective& c) {
  auto& mine = thread();
  if (mine.inside) return pass_on(c);
  if (mine.depth == 0) return begin(c, false);
  mine.held.push_back(c);
  return success;
}

int begin_held() {
  auto& mine = thread();
  const auto held = std::move(mine.held);
  mine.held.clear();
  int first = success;
  for (const auto& c : held) {
    const int result = begin(c, true);
    if (first == success) first = result;
  }
  return first;
}

int begin_held_with(int op, Comm comm) {
  const auto& held = thread().held;
  return std::ranges::any_of(held, [&](const Collective& c) { return c.op == op && c.comm == comm; }) ? begin_held() : success;
}

int end_held() {
  const auto decided = std::exchange(thread().decided, {});
  int first = success;
  for (const auto& c : decided) {
    const auto peer = communicators().find(c.comm);
    const auto ours = peer == nullptr ? nullptr : peer->ours();
    const int result = ours == nullptr ? invalid_usage : conclude(c, Recorded(c), serve(c, ours.get()));
    if (first == success) first = result;
  }
  return first;
}

}  // namespace p2plab::shim
