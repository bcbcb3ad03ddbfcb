// SPDX-License-Identifier: Apache-2.0
// p2plab_all_reduce_fused on GPUs that are CPU threads: 1 to 8 ranks, types, norms and float8, against sums and rows computed apart.
#include <dlfcn.h>

#include <array>
#include <cmath>
#include <cstring>
#include <list>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "p2plab/c/p2plab.h"
#include "p2plab/detail/elements.h"
#include "p2plab/program/epilogue.h"
#include "rows/epilogue_link.h"
#include "rows/row_check.h"
#include "support/host_gpu/streams.h"

namespace p2plab {
namespace {

template <class F>
F* function(const char* name) {
  static void* const handle = dlopen((std::string{P2PLAB_NCCL_STAGE} + "/libp2plab.so.1").c_str(), RTLD_NOW | RTLD_LOCAL);
  expects(handle != nullptr);
  return reinterpret_cast<F*>(dlsym(handle, name));
}
std::string last_error() { return function<decltype(p2plab_last_error)>("p2plab_last_error")(); }

// Ranks in this process, each with a stream.
class Group {
 public:
  explicit Group(int ranks, p2plab_config config = P2PLAB_CONFIG) : comms(static_cast<std::size_t>(ranks)) {
    config.prepare = "";
    config.load_nccl = 0;
    std::vector<int> devices;
    for (int r = 0; r < ranks; ++r) devices.push_back(r);
    EXPECT_EQ(function<decltype(p2plab_comm_init_all)>("p2plab_comm_init_all")(comms.data(), ranks, devices.data(), &config), P2PLAB_OK)
        << last_error();
    for (int r = 0; r < ranks; ++r) streams.push_back(host_stream_create());
  }
  ~Group() {
    for (auto* const comm : comms) function<decltype(p2plab_comm_destroy)>("p2plab_comm_destroy")(comm);
    for (auto* const stream : streams) host_stream_destroy(stream);
  }
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;
  Group(Group&&) = delete;
  Group& operator=(Group&&) = delete;

  std::vector<p2plab_comm*> comms;
  std::vector<void*> streams;
};

// A rank's memory, at multiples of 16.
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

p2plab_epilogue tensors(const Epilogue& what, std::int64_t elements, Memory& memory) {
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

template <class E>
void run_calls(const Group& group, p2plab_type type, DataType data_type, const Epilogue& what, std::int64_t rows) {
  const auto elements = rows * what.hidden;
  const auto n = group.comms.size();
  std::vector<Memory> memory(n);
  std::vector<p2plab_epilogue> epilogues;
  std::vector<void*> inputs;
  for (std::size_t r = 0; r < n; ++r) {
    epilogues.push_back(tensors(what, elements, memory[r]));
    inputs.push_back(memory[r].filled<E>(elements, static_cast<int>(r)));
    if (what.residual) epilogues[r].residual = memory[r].filled<E>(elements, 100 + static_cast<int>(r));
    if (what.weight) epilogues[r].weight = memory[r].filled<E>(what.hidden, 200);
    if (what.bias) epilogues[r].bias = memory[r].filled<E>(what.hidden, 300);
  }
  for (int call = 0; call < 2; ++call) {
    for (std::size_t r = 0; r < n; ++r) {
      EXPECT_EQ(function<decltype(p2plab_all_reduce_fused)>("p2plab_all_reduce_fused")(inputs[r], static_cast<std::size_t>(elements), type,
                                                                                       P2PLAB_SUM, &epilogues[r], group.comms[r], group.streams[r]),
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
    const auto rows_made = link_epilogue(with_epsilon, {.elements = elements, .type = data_type}, address(sum), buffers);
    ASSERT_TRUE(rows_made);
    const auto found = check_rows(data_type, *rows_made);
    EXPECT_TRUE(found.passed) << "rank " << r << ": " << found.first_wrong;
    EXPECT_GE(found.elements, elements);
  }
}

TEST(FusedCalls, GiveEveryRankItsSumNormAndFloat8) {
  for (const int ranks : {1, 2, 3, 4, 8}) {
    SCOPED_TRACE(fmt::format("{} ranks", ranks));
    const Group group(ranks);
    run_calls<Element<BFloat16>>(group, P2PLAB_BFLOAT16, DataType::bfloat16, {.hidden = 40}, 3);
    run_calls<Element<Half>>(group, P2PLAB_FLOAT16, DataType::float16, {.hidden = 128, .float8 = Float8::group, .gives_norm = false}, 5);
    run_calls<Element<float>>(group, P2PLAB_FLOAT32, DataType::float32, {.hidden = 7, .norm = Norm::layer, .float8 = Float8::token, .bias = true}, 1);
    run_calls<Element<BFloat16>>(group, P2PLAB_BFLOAT16, DataType::bfloat16,
                                 {.hidden = 9, .norm = Norm::off, .float8 = Float8::tensor, .residual = false, .weight = false, .gives_norm = false},
                                 3);
  }
}

// Sums of 3 to 5 ranks of numbers that do not add exactly, at sizes that run by one_shot and by two_shot and at odd addresses: bit for bit the ranks
// in their order.
TEST(OneOrderOfSums, GivesEqualBitsAtEverySizeAndPlace) {
  p2plab_config config = P2PLAB_CONFIG;
  config.order = "fixed";
  for (const int ranks : {3, 4, 5}) {
    const Group group(ranks, config);
    for (const std::size_t count : {7U, 1000U, 100'001U}) {
      for (const std::size_t shift : {0U, 1U}) {
        std::vector<std::vector<float>> data(group.comms.size(), std::vector<float>(count + 1));
        for (std::size_t r = 0; r < data.size(); ++r) {
          for (std::size_t i = 0; i < count; ++i) data[r][shift + i] = std::sin(static_cast<float>(i % 1000) * 1.7F + static_cast<float>(r) * 0.3F);
        }
        std::vector<float> wanted(count);
        for (std::size_t i = 0; i < count; ++i) {
          float sum = data[0][shift + i];
          for (std::size_t r = 1; r < data.size(); ++r) sum += data[r][shift + i];
          wanted[i] = sum;
        }
        for (std::size_t r = 0; r < data.size(); ++r) {
          EXPECT_EQ(function<decltype(p2plab_all_reduce)>("p2plab_all_reduce")(&data[r][shift], &data[r][shift], count, P2PLAB_FLOAT32, P2PLAB_SUM,
                                                                               group.comms[r], group.streams[r]),
                    P2PLAB_OK)
              << last_error();
        }
        for (auto* const stream : group.streams) host_stream_wait(stream);
        for (const auto& mine : data)
          EXPECT_EQ(std::memcmp(&mine[shift], wanted.data(), count * sizeof(float)), 0)
              << ranks << " ranks, " << count << " elements, shift " << shift;
      }
    }
  }
}

TEST(OneOrderOfSums, IsNotNcclsToPromise) {
  p2plab_config config = P2PLAB_CONFIG;
  config.order = "fixed";
  config.backend = "nccl";
  std::array<p2plab_comm*, 2> comms{};
  constexpr std::array devices{0, 1};
  const auto begin = [&] { return function<decltype(p2plab_comm_init_all)>("p2plab_comm_init_all")(comms.data(), 2, devices.data(), &config); };
  EXPECT_EQ(begin(), P2PLAB_INVALID);
  EXPECT_NE(last_error().find("NCCL's order of sums hangs on the size"), std::string::npos) << last_error();
  config.backend = "p2p";
  config.order = "fixd";
  EXPECT_EQ(begin(), P2PLAB_INVALID);
  EXPECT_NE(last_error().find("fixed"), std::string::npos) << last_error();
}

TEST(FusedCalls, RefuseWhatTheyCannotDoAndSayWhy) {
  const Group group(2);
  Memory memory;
  auto* const data = memory.empty(4096);
  const auto call = [&](const p2plab_epilogue& epilogue, std::size_t count, p2plab_type type = P2PLAB_FLOAT16, p2plab_op op = P2PLAB_SUM) {
    const auto result =
        function<decltype(p2plab_all_reduce_fused)>("p2plab_all_reduce_fused")(data, count, type, op, &epilogue, group.comms[0], nullptr);
    EXPECT_EQ(result, P2PLAB_INVALID);
    return last_error();
  };
  const auto good = tensors({.hidden = 8}, 64, memory);
  EXPECT_NE(call(good, 63).find("63 elements are no whole number of rows of 8"), std::string::npos) << last_error();
  EXPECT_NE(call(good, 64, P2PLAB_INT32).find("not on int32"), std::string::npos) << last_error();
  EXPECT_NE(call(good, 64, P2PLAB_FLOAT16, P2PLAB_MAX).find("not on max"), std::string::npos) << last_error();
  auto bad = good;
  bad.size = 8;
  EXPECT_NE(call(bad, 64).find("start with P2PLAB_EPILOGUE"), std::string::npos) << last_error();
  bad = good;
  bad.float8 = P2PLAB_FLOAT8_TOKEN;
  EXPECT_NE(call(bad, 64).find("float8 and its output must both be given"), std::string::npos) << last_error();
  bad = good;
  bad.normed = static_cast<std::byte*>(bad.normed) + 2;
  EXPECT_NE(call(bad, 64).find("normed output does not begin at a multiple of 16"), std::string::npos) << last_error();
  bad = good;
  bad.hidden = 0;
  EXPECT_NE(call(bad, 64).find("rows have 1 to"), std::string::npos) << last_error();
}

TEST(FusedCalls, OfNoProgramAreNotServedWhereOnlyReadyOnesAre) {
  p2plab_config config = P2PLAB_CONFIG;
  config.serve_ready_only = 1;
  const Group group(2, config);
  Memory memory;
  const auto epilogue = tensors({.hidden = 8}, 64, memory);
  auto* const data = memory.filled<Element<float>>(64, 1);
  const auto fused = [&](std::size_t r) {
    return function<decltype(p2plab_all_reduce_fused)>("p2plab_all_reduce_fused")(data, 64, P2PLAB_FLOAT32, P2PLAB_SUM, &epilogue, group.comms[r],
                                                                                  group.streams[r]);
  };
  for (const std::size_t r : {0U, 1U}) EXPECT_EQ(fused(r), P2PLAB_NOT_SERVED);
  ASSERT_EQ(function<decltype(p2plab_prepare_fused)>("p2plab_prepare_fused")(group.comms[0], 64, P2PLAB_FLOAT32, P2PLAB_SUM, &epilogue), P2PLAB_OK)
      << last_error();
  for (const std::size_t r : {0U, 1U}) EXPECT_EQ(fused(r), P2PLAB_OK);
  for (auto* const stream : group.streams) host_stream_wait(stream);
  EXPECT_FLOAT_EQ(static_cast<float*>(epilogue.sum)[3], 2 * static_cast<float*>(data)[3]);
}

}  // namespace
}  // namespace p2plab
