// SPDX-License-Identifier: Apache-2.0
// p2plab_all_reduce_fused on GPUs that are CPU threads: 1 to 8 ranks, types, norms and float8, against sums and rows computed apart.
#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstring>

#include "support/host_gpu/enqueue.h"
#include "support/scratch.h"
#include "unit/kernels/nccl_programs/fused_group.h"

namespace p2plab::fused_calls_test {
namespace {

using test::Group;
using test::last_error;
using test::library_function;
using test::Memory;
using test::run_calls;
using test::tensors;
using test::Variable;

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

TEST(FusedCalls, RefuseWhatTheyCannotDoAndSayWhy) {
  const Group group(2);
  Memory memory;
  auto* const data = memory.empty(4096);
  const auto call = [&](const p2plab_epilogue& epilogue, std::size_t count, p2plab_type type = P2PLAB_FLOAT16, p2plab_op op = P2PLAB_SUM) {
    const auto result =
        library_function<decltype(p2plab_all_reduce_fused)>("p2plab_all_reduce_fused")(data, count, type, op, &epilogue, group.comms[0], nullptr);
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

// Two calls on two streams: the second one's sums come into the room from which the first one's rows are made, so it waits for that stream.
TEST(RowsByTheirOwners, WaitForTheStreamOfTheCallBefore) {
  const Variable nccl("P2PLAB_NCCL", std::string{P2PLAB_NCCL_STAGE} + "/nccl/libnccl.so.2");
  const Variable folder("P2PLAB_TEST_FOLDER", test::scratch("segments").parent_path().string());
  p2plab_config config = P2PLAB_CONFIG;
  config.backend = "nccl";
  const Group group(2, config);
  const std::array others{host_stream_create(), host_stream_create()};
  Memory memory;
  std::vector<float> input(64, 1);
  std::array<p2plab_epilogue, 2> epilogues{};
  const auto call = [&](std::size_t r, void* stream) {
    epilogues.at(r) = tensors({.hidden = 16}, 64, memory);
    epilogues.at(r).rows_of = P2PLAB_ROWS_OWNED;
    EXPECT_EQ(library_function<decltype(p2plab_all_reduce_fused)>("p2plab_all_reduce_fused")(input.data(), 64, P2PLAB_FLOAT32, P2PLAB_SUM,
                                                                                             &epilogues.at(r), group.comms[r], stream),
              P2PLAB_OK)
        << last_error();
  };
  std::atomic<bool> held = true;
  for (const std::size_t r : {0U, 1U}) call(r, group.streams[r]);
  for (auto* const stream : group.streams) test::enqueue(stream, [&] { held.wait(true); });
  for (const std::size_t r : {0U, 1U}) call(r, others.at(r));
  std::this_thread::sleep_for(std::chrono::milliseconds{50});  // so that it would begin
  input.assign(64, 5);
  held = false;
  held.notify_all();
  for (auto* const stream : group.streams) host_stream_wait(stream);
  for (auto* const stream : others) host_stream_wait(stream);
  for (const std::size_t i : {0U, 31U, 32U, 63U}) EXPECT_EQ(static_cast<float*>(epilogues.at(i / 32).sum)[i], 10) << "element " << i;
  for (auto* const stream : others) host_stream_destroy(stream);
}

// Kernels of ranks count on each other's grid.
TEST(Ranks, ThatAllowOtherNumbersOfBlocksAreRefused) {
  p2plab_unique_id id{};
  ASSERT_EQ(library_function<decltype(p2plab_get_unique_id)>("p2plab_get_unique_id")(&id), P2PLAB_OK) << last_error();
  std::array<std::string, 2> said;
  std::vector<std::thread> threads;
  for (const int rank : {0, 1}) {
    threads.emplace_back([&, rank] {
      p2plab_config config = P2PLAB_CONFIG;
      config.prepare = "";
      config.load_nccl = 0;
      config.most_blocks = 8 * (1 + rank);
      p2plab_comm* comm = nullptr;
      EXPECT_EQ(library_function<decltype(p2plab_comm_init_rank)>("p2plab_comm_init_rank")(&comm, 2, id, rank, rank, &config), P2PLAB_INVALID);
      said.at(static_cast<std::size_t>(rank)) = last_error();
    });
  }
  for (auto& thread : threads) thread.join();
  for (const auto& text : said) EXPECT_NE(text.find("other settings than rank 0"), std::string::npos) << text;
}

TEST(FusedCalls, OfNoProgramAreNotServedWhereOnlyReadyOnesAre) {
  p2plab_config config = P2PLAB_CONFIG;
  config.serve_ready_only = 1;
  const Group group(2, config);
  Memory memory;
  const auto epilogue = tensors({.hidden = 8}, 64, memory);
  auto* const data = memory.filled<Element<float>>(64, 1);
  const auto fused = [&](std::size_t r) {
    return library_function<decltype(p2plab_all_reduce_fused)>("p2plab_all_reduce_fused")(data, 64, P2PLAB_FLOAT32, P2PLAB_SUM, &epilogue,
                                                                                          group.comms[r], group.streams[r]);
  };
  for (const std::size_t r : {0U, 1U}) EXPECT_EQ(fused(r), P2PLAB_NOT_SERVED);
  ASSERT_EQ(library_function<decltype(p2plab_prepare_fused)>("p2plab_prepare_fused")(group.comms[0], 64, P2PLAB_FLOAT32, P2PLAB_SUM, &epilogue),
            P2PLAB_OK)
      << last_error();
  for (const std::size_t r : {0U, 1U}) EXPECT_EQ(fused(r), P2PLAB_OK);
  for (auto* const stream : group.streams) host_stream_wait(stream);
  EXPECT_FLOAT_EQ(static_cast<float*>(epilogue.sum)[3], 2 * static_cast<float*>(data)[3]);
}

}  // namespace
}  // namespace p2plab::fused_calls_test
