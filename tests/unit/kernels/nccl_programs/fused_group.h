// SPDX-License-Identifier: Apache-2.0
// Ranks of libp2plab on GPUs that are CPU threads, and fused calls of theirs against rows computed apart.
#pragma once

#include <dlfcn.h>

#include <array>
#include <cstdlib>
#include <list>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "p2plab/c/p2plab.h"
#include "p2plab/detail/elements.h"
#include "p2plab/program/epilogue.h"
#include "rows/epilogue_link.h"
#include "rows/row_check.h"
#include "support/host_gpu/streams.h"

namespace p2plab::test {

/// A function of the libp2plab under test.
template <class F>
F* library_function(const char* name) {
  static void* const handle = dlopen((std::string{P2PLAB_NCCL_STAGE} + "/libp2plab.so.1").c_str(), RTLD_NOW | RTLD_LOCAL);
  expects(handle != nullptr);
  return reinterpret_cast<F*>(dlsym(handle, name));
}
inline std::string last_error() { return library_function<decltype(p2plab_last_error)>("p2plab_last_error")(); }

/// A variable for as long as a test runs.
class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) { setenv(name, value.c_str(), 1); }
  ~Variable() { unsetenv(name_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;
  Variable(Variable&&) = delete;
  Variable& operator=(Variable&&) = delete;

 private:
  const char* name_;
};

/// Ranks in this process, each with a stream.
class Group {
 public:
  explicit Group(int ranks, p2plab_config config = P2PLAB_CONFIG) : comms(static_cast<std::size_t>(ranks)) {
    config.prepare = "";
    if (config.backend == nullptr) config.load_nccl = 0;
    std::vector<int> devices;
    for (int r = 0; r < ranks; ++r) devices.push_back(r);
    if (config.backend == nullptr) {
      EXPECT_EQ(library_function<decltype(p2plab_comm_init_all)>("p2plab_comm_init_all")(comms.data(), ranks, devices.data(), &config), P2PLAB_OK)
          << last_error();
    } else {
      join_by_threads(config);
    }
    for (int r = 0; r < ranks; ++r) streams.push_back(host_stream_create());
  }
  // NCCL's ranks wait for each other when they join.
  void join_by_threads(const p2plab_config& config) {
    p2plab_unique_id id{};
    EXPECT_EQ(library_function<decltype(p2plab_get_unique_id)>("p2plab_get_unique_id")(&id), P2PLAB_OK) << last_error();
    apart_ = true;
    std::vector<std::thread> threads;
    for (std::size_t r = 0; r < comms.size(); ++r) {
      threads.emplace_back([&, r] {
        const auto ranks = static_cast<int>(comms.size());
        const auto rank = static_cast<int>(r);
        EXPECT_EQ(library_function<decltype(p2plab_comm_init_rank)>("p2plab_comm_init_rank")(&comms[r], ranks, id, rank, rank, &config), P2PLAB_OK)
            << last_error();
      });
    }
    for (auto& thread : threads) thread.join();
  }
  ~Group() {
    const auto leave = [](p2plab_comm* comm) { library_function<decltype(p2plab_comm_destroy)>("p2plab_comm_destroy")(comm); };
    std::vector<std::thread> threads;  // ranks of several sessions leave together
    for (auto* const comm : comms) apart_ ? void(threads.emplace_back(leave, comm)) : leave(comm);
    for (auto& thread : threads) thread.join();
    for (auto* const stream : streams) host_stream_destroy(stream);
  }
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;
  Group(Group&&) = delete;
  Group& operator=(Group&&) = delete;

  std::vector<p2plab_comm*> comms;
  std::vector<void*> streams;

 private:
  bool apart_ = false;
};

/// A rank's memory, at multiples of 16.
class Memory {
 public:
  template <class E>
  void* filled(std::int64_t elements, int seed) {
    auto* const to = static_cast<typename E::Stored*>(empty(elements * static_cast<std::int64_t>(sizeof(typename E::Stored))));
    for (std::int64_t i = 0; i < elements; ++i) to[i] = E::store(static_cast<float>((i * 7 + seed * 13) % 19 - 6));
    return to;
  }
  void* empty(std::int64_t bytes) {
    blocks_.emplace_back(static_cast<std::size_t>(bytes) / sizeof(Vector) + 1);
    return blocks_.back().data();
  }

 private:
  struct alignas(16) Vector {
    std::array<std::byte, 16> bytes{};
  };
  std::list<std::vector<Vector>> blocks_;
};

/// The outputs that an epilogue makes, and what it is.
inline p2plab_epilogue tensors(const Epilogue& what, std::int64_t elements, Memory& memory) {
  p2plab_epilogue epilogue = P2PLAB_EPILOGUE;
  epilogue.hidden = static_cast<std::size_t>(what.hidden);
  epilogue.norm = static_cast<p2plab_norm>(what.norm);
  epilogue.float8 = static_cast<p2plab_float8>(what.float8);
  epilogue.epsilon = 1e-5;
  if (what.gives_sum) epilogue.sum = memory.empty(elements * 4);
  if (what.gives_norm) epilogue.normed = memory.empty(elements * 4);
  if (what.float8 != Float8::off) {
    epilogue.quantised = memory.empty(elements);
    epilogue.scales = static_cast<float*>(memory.empty(elements * 4));
    epilogue.scales[0] = 0.125F;
  }
  return epilogue;
}

/// Two calls of the same, and every rank's results against rows computed apart. Of rows that others own there is no sum.
template <class E>
void run_calls(const Group& group, p2plab_type type, DataType data_type, const Epilogue& what, std::int64_t rows, std::int64_t owned = 0) {
  const auto elements = rows * what.hidden;
  const auto n = group.comms.size();
  std::vector<Memory> memory(n);
  std::vector<p2plab_epilogue> epilogues;
  std::vector<void*> inputs;
  for (std::size_t r = 0; r < n; ++r) {
    epilogues.push_back(tensors(what, elements, memory[r]));
    if (owned > 0) epilogues[r].rows_of = P2PLAB_ROWS_OWNED;
    inputs.push_back(memory[r].filled<E>(elements, static_cast<int>(r)));
    if (what.residual) epilogues[r].residual = memory[r].filled<E>(elements, 100 + (owned > 0 ? 0 : static_cast<int>(r)));
    if (what.weight) epilogues[r].weight = memory[r].filled<E>(what.hidden, 200);
    if (what.bias) epilogues[r].bias = memory[r].filled<E>(what.hidden, 300);
  }
  for (int call = 0; call < 2; ++call) {
    for (std::size_t r = 0; r < n; ++r) {
      EXPECT_EQ(library_function<decltype(p2plab_all_reduce_fused)>("p2plab_all_reduce_fused")(
                    inputs[r], static_cast<std::size_t>(elements), type, P2PLAB_SUM, &epilogues[r], group.comms[r], group.streams[r]),
                P2PLAB_OK)
          << last_error();
    }
    for (auto* const stream : group.streams) host_stream_wait(stream);
  }
  Memory sums;
  auto* const sum = static_cast<typename E::Stored*>(sums.empty(elements * static_cast<std::int64_t>(sizeof(typename E::Stored))));
  for (std::int64_t i = 0; i < elements; ++i) {
    float whole = 0;
    for (const auto* const input : inputs) whole += E::load(static_cast<const typename E::Stored*>(input)[i]);
    sum[i] = E::store(whole);
  }
  for (std::size_t r = 0; r < n; ++r) {
    const auto address = [](const void* pointer) { return reinterpret_cast<std::uint64_t>(pointer); };
    const auto& e = epilogues[r];
    const EpilogueBuffers buffers{address(e.residual), address(e.weight),    address(e.bias),  address(e.sum),
                                  address(e.normed),   address(e.quantised), address(e.scales)};
    auto with_epsilon = what;
    with_epsilon.epsilon = 1e-5F;
    auto shown = with_epsilon;
    if (owned > 0) shown.gives_sum = false;
    const auto rows_made = link_epilogue(shown, {.elements = elements, .type = data_type}, address(sum), buffers);
    ASSERT_TRUE(rows_made);
    const auto found = check_rows(data_type, *rows_made);
    EXPECT_TRUE(found.passed) << "rank " << r << ": " << found.first_wrong;
    for (std::int64_t i = 0; owned > 0 && what.gives_sum && i < elements; ++i) {
      const auto owner = i / what.hidden / owned;
      const float residual = what.residual ? E::load(static_cast<const typename E::Stored*>(e.residual)[i]) : 0;
      const float wanted = owner == static_cast<std::int64_t>(r) || owner >= static_cast<std::int64_t>(n) ? E::load(sum[i]) + residual : 0;
      EXPECT_EQ(E::load(static_cast<const typename E::Stored*>(e.sum)[i]), wanted) << "rank " << r << ", element " << i;
    }
    const bool shows = what.gives_norm || what.float8 != Float8::off || owned == 0;
    EXPECT_GE(found.elements, shows ? elements : 0);
  }
}

}  // namespace p2plab::test
