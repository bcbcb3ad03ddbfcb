// SPDX-License-Identifier: Apache-2.0
// Calls, and what is asked about them.
#include <algorithm>
#include <cstring>

#include "capi/answer.h"

using namespace p2plab;
using namespace p2plab::capi;

namespace {

p2plab_result run(p2plab_comm* comm, const p2plab_call& given, const void* send, void* receive, p2plab_stream stream) {
  return guarded([&] {
    if (comm == nullptr) return invalid("no communicator");
    const auto call = call_of(given, comm->engine->ranks());
    if (!call) return failed(call.error());
    const auto blocks = runtime::blocks_of(*call, comm->rank, comm->engine->ranks());
    if (call->count > 0 && ((send == nullptr && blocks.input > 0) || (receive == nullptr && blocks.output > 0)))
      return invalid("a buffer is missing");
    const auto size = static_cast<std::uint64_t>(size_of(call->type));
    const DeviceBuffers buffers{reinterpret_cast<std::uint64_t>(send), reinterpret_cast<std::uint64_t>(receive)};
    if ((blocks.input > 0 && buffers.input % size != 0) || (blocks.output > 0 && buffers.output % size != 0))
      return invalid("a buffer does not begin at a multiple of its elements' size");
    return p2plab::capi::run(*comm, {*call, given, buffers, stream});
  });
}

}  // namespace

extern "C" {

p2plab_result p2plab_all_reduce(const void* send, void* receive, size_t count, p2plab_type type, p2plab_op op, p2plab_comm* comm,
                                p2plab_stream stream) {
  return run(comm, {P2PLAB_ALL_REDUCE, count, type, op, 0, 0}, send, receive, stream);
}
p2plab_result p2plab_reduce(const void* send, void* receive, size_t count, p2plab_type type, p2plab_op op, int root, p2plab_comm* comm,
                            p2plab_stream stream) {
  return run(comm, {P2PLAB_REDUCE, count, type, op, root, 0}, send, receive, stream);
}
p2plab_result p2plab_reduce_scatter(const void* send, void* receive, size_t receive_count, p2plab_type type, p2plab_op op, p2plab_comm* comm,
                                    p2plab_stream stream) {
  return run(comm, {P2PLAB_REDUCE_SCATTER, receive_count, type, op, 0, 0}, send, receive, stream);
}
p2plab_result p2plab_all_gather(const void* send, void* receive, size_t send_count, p2plab_type type, p2plab_comm* comm, p2plab_stream stream) {
  return run(comm, {P2PLAB_ALL_GATHER, send_count, type, P2PLAB_SUM, 0, 0}, send, receive, stream);
}
p2plab_result p2plab_broadcast(const void* send, void* receive, size_t count, p2plab_type type, int root, p2plab_comm* comm, p2plab_stream stream) {
  return run(comm, {P2PLAB_BROADCAST, count, type, P2PLAB_SUM, root, 0}, send, receive, stream);
}
p2plab_result p2plab_gather(const void* send, void* receive, size_t send_count, p2plab_type type, int root, p2plab_comm* comm, p2plab_stream stream) {
  return run(comm, {P2PLAB_GATHER, send_count, type, P2PLAB_SUM, root, 0}, send, receive, stream);
}
p2plab_result p2plab_scatter(const void* send, void* receive, size_t receive_count, p2plab_type type, int root, p2plab_comm* comm,
                             p2plab_stream stream) {
  return run(comm, {P2PLAB_SCATTER, receive_count, type, P2PLAB_SUM, root, 0}, send, receive, stream);
}
p2plab_result p2plab_all_to_all(const void* send, void* receive, size_t count, p2plab_type type, p2plab_comm* comm, p2plab_stream stream) {
  return run(comm, {P2PLAB_ALL_TO_ALL, count, type, P2PLAB_SUM, 0, 0}, send, receive, stream);
}
p2plab_result p2plab_send_receive(const void* send, void* receive, size_t count, p2plab_type type, int from, int to, p2plab_comm* comm,
                                  p2plab_stream stream) {
  return run(comm, {P2PLAB_SEND_RECEIVE, count, type, P2PLAB_SUM, from, to}, send, receive, stream);
}

p2plab_result p2plab_comm_start(p2plab_comm* comm, const p2plab_call* earlier, size_t calls) {
  return guarded([&] {
    if (comm == nullptr || (earlier == nullptr && calls > 0)) return invalid("no communicator, or no calls");
    std::vector<runtime::Call> all;
    for (std::size_t i = 0; i < calls; ++i) {
      const auto call = call_of(earlier[i], comm->engine->ranks());
      if (!call) return failed(call.error());
      all.push_back(*call);
    }
    comm->engine->count(comm->rank, std::move(all));
    return P2PLAB_OK;
  });
}

p2plab_result p2plab_comm_ready(p2plab_comm* comm) {
  return guarded([&] { return comm == nullptr ? invalid("no communicator") : outcome(comm->engine->make_ready()); });
}

p2plab_result p2plab_prepare(p2plab_comm* comm, const p2plab_call* call) {
  return guarded([&] {
    if (comm == nullptr || call == nullptr) return invalid("no communicator, or no call");
    const auto read = call_of(*call, comm->engine->ranks());
    return read ? outcome(comm->engine->prepare(*read)) : failed(read.error());
  });
}

p2plab_result p2plab_explain(const p2plab_comm* comm, const p2plab_call* call, char* text, size_t size) {
  return guarded([&] {
    if (comm == nullptr || call == nullptr || text == nullptr || size == 0) return invalid("no communicator, no call, or no room for the text");
    const auto read = call_of(*call, comm->engine->ranks());
    if (!read) return failed(read.error());
    const auto all = comm->engine->explain(*read);
    const auto length = std::min(all.size(), size - 1);
    std::memcpy(text, all.data(), length);
    text[length] = '\0';
    return P2PLAB_OK;
  });
}

}  // extern "C"
