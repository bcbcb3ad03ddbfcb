// SPDX-License-Identifier: Apache-2.0
// Other ways of fused calls, on GPUs that are CPU threads: rows behind NCCL's sums, behind our plain program where a table says so, by their owners,
// and chunk by chunk with signals.
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "p2plab/experiment/tuned.h"
#include "p2plab/machine/presets.h"
#include "runtime/row_parts.h"
#include "support/scratch.h"
#include "unit/kernels/nccl_programs/fused_group.h"

namespace p2plab::fused_ways_test {
namespace {

using test::Group;
using test::last_error;
using test::library_function;
using test::Memory;
using test::run_calls;
using test::tensors;
using test::Variable;

p2plab_result fused(const Group& group, std::size_t rank, const void* send, std::size_t count, const p2plab_epilogue& epilogue) {
  return library_function<decltype(p2plab_all_reduce_fused)>("p2plab_all_reduce_fused")(send, count, P2PLAB_FLOAT32, P2PLAB_SUM, &epilogue,
                                                                                        group.comms[rank], group.streams[rank]);
}
p2plab_result prepare_fused(const Group& group, std::size_t count, const p2plab_epilogue& epilogue) {
  return library_function<decltype(p2plab_prepare_fused)>("p2plab_prepare_fused")(group.comms[0], count, P2PLAB_FLOAT32, P2PLAB_SUM, &epilogue);
}

p2plab_config by_nccl() {
  p2plab_config config = P2PLAB_CONFIG;
  config.backend = "nccl";
  return config;
}

TEST(FusedBehindNccl, GivesEveryRankItsSumNormAndFloat8) {
  const Variable nccl("P2PLAB_NCCL", std::string{P2PLAB_NCCL_STAGE} + "/nccl/libnccl.so.2");
  const Variable folder("P2PLAB_TEST_FOLDER", test::scratch("segments").parent_path().string());
  for (const int ranks : {2, 3}) {
    SCOPED_TRACE(ranks);
    const Group group(ranks, by_nccl());
    run_calls<Element<BFloat16>>(group, P2PLAB_BFLOAT16, DataType::bfloat16, {.hidden = 40}, 3);
    run_calls<Element<Half>>(group, P2PLAB_FLOAT16, DataType::float16, {.hidden = 128, .float8 = Float8::group, .gives_norm = false}, 5);
    run_calls<Element<float>>(group, P2PLAB_FLOAT32, DataType::float32, {.hidden = 7, .norm = Norm::layer, .float8 = Float8::token, .bias = true}, 1);
    run_calls<Element<BFloat16>>(group, P2PLAB_BFLOAT16, DataType::bfloat16, {.hidden = 64, .float8 = Float8::token}, 7, 7 / ranks);
  }
}

TEST(FusedBehindNccl, IsPreparedBeforeACapture) {
  const Variable nccl("P2PLAB_NCCL", std::string{P2PLAB_NCCL_STAGE} + "/nccl/libnccl.so.2");
  const Variable folder("P2PLAB_TEST_FOLDER", test::scratch("segments").parent_path().string());
  const Group group(2, by_nccl());
  Memory memory;
  const auto epilogue = tensors({.hidden = 8}, 64, memory);
  auto* const data = memory.filled<Element<float>>(64, 1);
  {
    const Variable capturing("P2PLAB_TEST_CAPTURING", "yes");
    EXPECT_EQ(fused(group, 0, data, 64, epilogue), P2PLAB_INVALID);
    EXPECT_NE(last_error().find("p2plab_prepare_fused"), std::string::npos) << last_error();
  }
  for (auto* const comm : group.comms) {
    EXPECT_EQ(library_function<decltype(p2plab_prepare_fused)>("p2plab_prepare_fused")(comm, 64, P2PLAB_FLOAT32, P2PLAB_SUM, &epilogue), P2PLAB_OK)
        << last_error();
  }
  const Variable capturing("P2PLAB_TEST_CAPTURING", "yes");
  for (const std::size_t r : {0U, 1U}) EXPECT_EQ(fused(group, r, data, 64, epilogue), P2PLAB_OK) << last_error();
  for (auto* const stream : group.streams) host_stream_wait(stream);
  EXPECT_FLOAT_EQ(static_cast<float*>(epilogue.sum)[3], 2 * static_cast<float*>(data)[3]);
}

// Rows of 4 KiB need no program but that of the plain call, those of 256 bytes their own.
void run_where_4_kib_are_apart(const std::string& tuned) {
  p2plab_config config = P2PLAB_CONFIG;
  config.tuned = tuned.c_str();
  config.serve_ready_only = 1;
  const Group group(2, config);
  for (const std::size_t count : {64U, 1024U}) {
    Memory memory;
    const auto epilogue = tensors({.hidden = 8}, static_cast<std::int64_t>(count), memory);
    auto* const data = memory.filled<Element<float>>(static_cast<std::int64_t>(count), 1);
    const p2plab_call plain{P2PLAB_ALL_REDUCE, count, P2PLAB_FLOAT32, P2PLAB_SUM, 0, 0};
    ASSERT_EQ(library_function<decltype(p2plab_prepare)>("p2plab_prepare")(group.comms[0], &plain), P2PLAB_OK) << last_error();
    for (const std::size_t r : {0U, 1U}) EXPECT_EQ(fused(group, r, data, count, epilogue), count == 64 ? P2PLAB_NOT_SERVED : P2PLAB_OK) << count;
    for (auto* const stream : group.streams) host_stream_wait(stream);
    ASSERT_EQ(prepare_fused(group, count, epilogue), P2PLAB_OK) << last_error();
    for (const std::size_t r : {0U, 1U}) EXPECT_EQ(fused(group, r, data, count, epilogue), P2PLAB_OK) << count;
    for (auto* const stream : group.streams) host_stream_wait(stream);
    EXPECT_FLOAT_EQ(static_cast<float*>(epilogue.sum)[9], 2 * static_cast<float*>(data)[9]);
  }
}

// Where the table says so, a fused call needs no program but that of the plain call.
TEST(FusedByATable, RunsRowsApartWhereItSaysSo) {
  const Variable gpu("P2PLAB_TEST_GPU", "NVIDIA H200");
  const auto topology = *resolve_topology("hgx-h200:gpus=2");
  SilentProgress progress;
  auto table =
      *tune(Evaluator(topology), make_collective(CollectiveKind::all_reduce, 2), {.sizes = {256_B, 4_KiB}, .dtype = DataType::float32}, progress);
  for (auto& band : table.bands) {
    for (auto& size : band.sizes) size.rows_apart = size.size == 4_KiB;
  }
  const auto text = *write_tuned_yaml(table);
  const auto again = read_tuned(text, "table");
  ASSERT_TRUE(again) << describe(again.error());
  EXPECT_TRUE(again->at(4_KiB).rows_apart);
  EXPECT_FALSE(again->at(256_B).rows_apart);
  const auto wrong = read_tuned(std::string{text}.replace(text.find("apart"), 5, "apert"), "table");
  ASSERT_FALSE(wrong);
  EXPECT_NE(describe(wrong.error()).find("'fused' or 'apart'"), std::string::npos);
  const auto path = test::scratch("table.yaml").string();
  std::ofstream(path) << text;
  run_where_4_kib_are_apart(path);
  // The same of a table that was made with rows, beside one for plain calls that says nothing of them.
  table.rows = "add, rms_norm of 8";
  std::ofstream(path) << *write_tuned_yaml(table);
  table.rows.clear();
  for (auto& band : table.bands) {
    for (auto& size : band.sizes) size.rows_apart = false;
  }
  const auto plain = test::scratch("plain.yaml").string();
  std::ofstream(plain) << *write_tuned_yaml(table);
  run_where_4_kib_are_apart(plain + ":" + path);
  run_where_4_kib_are_apart(path + ":" + plain);
}

TEST(RowsByTheirOwners, GiveEveryRankTheNormedRowsAndFloat8) {
  for (const int ranks : {2, 3, 4, 8}) {
    SCOPED_TRACE(ranks);
    const Group group(ranks);
    run_calls<Element<BFloat16>>(group, P2PLAB_BFLOAT16, DataType::bfloat16, {.hidden = 48, .float8 = Float8::token}, 17, 17 / ranks);
    run_calls<Element<Half>>(group, P2PLAB_FLOAT16, DataType::float16,
                             {.hidden = 256, .norm = Norm::layer, .float8 = Float8::group, .bias = true, .gives_norm = false}, 11, 11 / ranks);
    // Rows of 40 elements only begin at multiples of 16 bytes by sixteens.
    run_calls<Element<float>>(group, P2PLAB_FLOAT32, DataType::float32, {.hidden = 40}, 16 * ranks + 5, 16);
  }
}

TEST(RowsByTheirOwners, AreEverybodysWhereThereAreTooFew) {
  const Group group(3);
  run_calls<Element<float>>(group, P2PLAB_FLOAT32, DataType::float32,
                            {.hidden = 16, .norm = Norm::off, .float8 = Float8::tensor, .weight = false, .gives_norm = false}, 2);
}

// Where each tensor's part begins, whatever the type.
TEST(RowParts, BeginWhereTheirRowsDo) {
  runtime::Call call{.type = DataType::bfloat16, .count = 256 * 8, .epilogue = Epilogue{.hidden = 256, .float8 = Float8::group}};
  const DeviceBuffers all{1000, 0, {.residual = 2000, .weight = 3000, .sum = 4000, .normed = 5000, .quantised = 6000, .scales = 7000}};
  const auto part = runtime::buffers_from(call, all, 3);
  EXPECT_EQ(part.input, 1000U + 3 * 512);
  EXPECT_EQ(part.epilogue.residual, 2000U + 3 * 512);
  EXPECT_EQ(part.epilogue.weight, 3000U);
  EXPECT_EQ(part.epilogue.bias, 0U);
  EXPECT_EQ(part.epilogue.sum, 4000U + 3 * 512);
  EXPECT_EQ(part.epilogue.normed, 5000U + 3 * 512);
  EXPECT_EQ(part.epilogue.quantised, 6000U + 3 * 256);
  EXPECT_EQ(part.epilogue.scales, 7000U + 3 * 2 * 4);
  call.epilogue->float8 = Float8::token;
  EXPECT_EQ(runtime::buffers_from(call, all, 3).epilogue.scales, 7000U + 3 * 4);
  call.epilogue->float8 = Float8::tensor;
  EXPECT_EQ(runtime::buffers_from(call, all, 3).epilogue.scales, 7000U);
}

// What a rank's neighbours see: words for chunks that are done, and for those that are given.
struct Neighbours {
  std::vector<std::uint32_t> done;
  std::vector<std::uint32_t> given;
};

bool comes_to(std::uint32_t& word, std::uint32_t value) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (std::atomic_ref(word).load() != value) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::yield();
  }
  return true;
}

// Chunk after chunk is made, given, and done on all ranks before the next one is made; a chunk that is not given is not done.
void expect_chunk_by_chunk(int ranks, std::size_t count, std::size_t chunks, bool epilogue) {
  SCOPED_TRACE(fmt::format("{} ranks, {} elements, {} chunks", ranks, count, chunks));
  const Group group(ranks);
  std::size_t each = 0;
  std::vector<Memory> memory(group.comms.size());
  std::vector<float*> inputs;
  std::vector<float*> results;
  std::vector<p2plab_epilogue> after;
  std::vector<Neighbours> words(group.comms.size(), {std::vector<std::uint32_t>(chunks), std::vector<std::uint32_t>(chunks)});
  const auto elements = static_cast<std::int64_t>(count);
  for (std::size_t r = 0; r < group.comms.size(); ++r) {
    inputs.push_back(static_cast<float*>(memory[r].empty(elements * 4)));
    after.push_back(tensors({.hidden = 16}, elements, memory[r]));
    results.push_back(static_cast<float*>(epilogue ? after.back().sum : memory[r].empty(elements * 4)));
    const p2plab_chunks signals{sizeof(p2plab_chunks), chunks, words[r].done.data(), 7, words[r].given.data(), 3};
    const auto* const rows = epilogue ? &after.back() : nullptr;
    EXPECT_EQ(library_function<decltype(p2plab_chunk_elements)>("p2plab_chunk_elements")(count, P2PLAB_FLOAT32, rows, chunks, &each), P2PLAB_OK);
    EXPECT_EQ(library_function<decltype(p2plab_all_reduce_in_chunks)>("p2plab_all_reduce_in_chunks")(
                  inputs[r], results[r], count, P2PLAB_FLOAT32, P2PLAB_SUM, rows, &signals, group.comms[r], group.streams[r]),
              P2PLAB_OK)
        << last_error();
  }
  for (std::size_t c = 0; c < chunks; ++c) {
    const auto begin = std::min(count, c * each);
    const auto end = std::min(count, begin + each);
    for (std::size_t r = 0; r < inputs.size(); ++r) {
      EXPECT_EQ(std::atomic_ref(words[r].done[c]).load(), 0U) << "chunk " << c;
      for (auto i = begin; i < end; ++i) inputs[r][i] = static_cast<float>((i * 3 + r * 5) % 17);
      std::atomic_ref(words[r].given[c]).store(3);
    }
    for (std::size_t r = 0; r < inputs.size(); ++r) {
      ASSERT_TRUE(comes_to(words[r].done[c], 7)) << "chunk " << c;
      for (auto i = begin; i < end; ++i) {
        float sum = 0;
        for (std::size_t s = 0; s < inputs.size(); ++s) sum += static_cast<float>((i * 3 + s * 5) % 17);
        ASSERT_EQ(results[r][i], sum) << "rank " << r << ", element " << i;
      }
    }
    if (end == count) break;
  }
  for (auto& mine : words) EXPECT_TRUE(comes_to(mine.done.back(), 7)) << "empty chunks are done, too";
}

TEST(Chunks, AreDoneOneAfterAnotherAsTheyAreGiven) {
  for (const int ranks : {1, 2, 3, 8}) {
    expect_chunk_by_chunk(ranks, 1000, 7, false);
    expect_chunk_by_chunk(ranks, 16 * 9, 4, true);
  }
  expect_chunk_by_chunk(2, 40, 8, false);  // three of them have elements
}

TEST(Chunks, ThatAreNotGivenInTimeAreAnError) {
  p2plab_config config = P2PLAB_CONFIG;
  config.deadline_seconds = 0.2;
  const Group group(2, config);
  std::array<std::vector<float>, 2> data{std::vector<float>(64), std::vector<float>(64)};
  std::array<std::uint32_t, 4> given{1, 1, 0, 0};
  const p2plab_chunks signals{sizeof(p2plab_chunks), 4, nullptr, 1, given.data(), 1};
  const auto in_chunks = library_function<decltype(p2plab_all_reduce_in_chunks)>("p2plab_all_reduce_in_chunks");
  for (const std::size_t r : {0U, 1U}) {
    EXPECT_EQ(in_chunks(data[r].data(), data[r].data(), 64, P2PLAB_FLOAT32, P2PLAB_SUM, nullptr, &signals, group.comms[r], group.streams[r]),
              P2PLAB_OK);
  }
  for (auto* const stream : group.streams) host_stream_wait(stream);
  EXPECT_EQ(library_function<decltype(p2plab_comm_async_error)>("p2plab_comm_async_error")(group.comms[0]), P2PLAB_FAILED);
  EXPECT_NE(last_error().find("was not given chunk 2 "), std::string::npos) << last_error();
}

TEST(Chunks, RefuseWhatTheyCannotDoAndSayWhy) {
  const Group group(2);
  std::vector<float> data(64);
  std::array<std::uint32_t, 2> words{};
  const auto refusal = [&](p2plab_chunks chunks) {
    const auto result = library_function<decltype(p2plab_all_reduce_in_chunks)>("p2plab_all_reduce_in_chunks")(
        data.data(), data.data(), 64, P2PLAB_FLOAT32, P2PLAB_SUM, nullptr, &chunks, group.comms[0], group.streams[0]);
    return result == P2PLAB_OK ? std::string{"it is taken"} : last_error();
  };
  EXPECT_NE(refusal({8, 1, nullptr, 1, nullptr, 1}).find("start with P2PLAB_CHUNKS"), std::string::npos);
  EXPECT_NE(refusal({sizeof(p2plab_chunks), 0, nullptr, 1, nullptr, 1}).find("1 to 4096"), std::string::npos);
  EXPECT_NE(refusal({sizeof(p2plab_chunks), 2, words.data(), 0, nullptr, 1}).find("cannot show 0"), std::string::npos);
}

}  // namespace
}  // namespace p2plab::fused_ways_test
