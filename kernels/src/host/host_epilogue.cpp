// SPDX-License-Identifier: Apache-2.0
#include "host/host_epilogue.h"

#include <algorithm>
#include <chrono>
#include <random>

#include "host/parallel.h"
#include "p2plab/detail/elements.h"
#include "rows/epilogue_link.h"
#include "rows/host_rows.h"
#include "rows/row_check.h"

namespace p2plab {

HostEpilogue::HostEpilogue(const Program& program, const HostMemory& memory) : program_(program) {
  expects(program.epilogue != nullptr);
  for (std::size_t r = 0; r < program.memory.size(); ++r) {
    if (program.memory[r].output == program.payload.size()) add_rank(memory, Rank{static_cast<std::int64_t>(r)});
  }
}

// At multiples of 16, as rows must be.
std::uint64_t HostEpilogue::take(std::int64_t bytes) {
  constexpr std::uint64_t vector = 16;
  memory_.emplace_back(static_cast<std::size_t>(bytes) + vector);
  const auto address = reinterpret_cast<std::uint64_t>(memory_.back().data());
  return (address + vector - 1) / vector * vector;
}

std::uint64_t HostEpilogue::drawn(std::int64_t elements, std::uint64_t seed, float least, float most) {
  const auto address = take(elements * size_of(program_.payload.type));
  std::mt19937 random(static_cast<std::mt19937::result_type>(seed));
  std::uniform_real_distribution<float> values(least, most);
  const auto fill = [&](auto element) {
    using E = decltype(element);
    auto* const to = reinterpret_cast<typename E::Stored*>(address);
    for (std::int64_t i = 0; i < elements; ++i) to[i] = E::store(values(random));
  };
  if (program_.payload.type == DataType::float16) fill(Element<Half>{});
  if (program_.payload.type == DataType::bfloat16) fill(Element<BFloat16>{});
  if (program_.payload.type == DataType::float32) fill(Element<float>{});
  return address;
}

void HostEpilogue::add_rank(const HostMemory& memory, Rank rank) {
  const auto& epilogue = *program_.epilogue;
  const auto& payload = program_.payload;
  const auto seed = static_cast<std::uint64_t>(rank.value) * 4;
  EpilogueBuffers buffers;
  buffers.residual = drawn(payload.elements, seed, -2, 2);
  buffers.weight = drawn(epilogue.hidden, seed + 1, 0.5F, 1.5F);
  buffers.bias = drawn(epilogue.hidden, seed + 2, -1, 1);
  const auto output = [&](std::int64_t bytes) {
    const auto address = take(bytes);
    outputs_.push_back(memory_.size() - 1);
    return address;
  };
  buffers.sum = output(payload.size().count());
  buffers.normed = output(payload.size().count());
  buffers.quantised = output(payload.elements);
  constexpr std::int64_t scale = sizeof(float);
  if (epilogue.float8 == Float8::tensor) {
    buffers.scales = take(scale);
    *reinterpret_cast<float*>(buffers.scales) = 0.01F;
  }
  if (epilogue.float8 == Float8::token) buffers.scales = output(rows_of(epilogue, payload) * scale);
  if (epilogue.float8 == Float8::group) buffers.scales = output(payload.elements / Epilogue::group * scale);
  auto call = link_epilogue(epilogue, payload, reinterpret_cast<std::uint64_t>(memory.at(rank, Buffer::output, 0)), buffers);
  expects(static_cast<bool>(call));
  calls_.push_back(*call);
}

Seconds HostEpilogue::run(int threads) {
  for (const auto index : outputs_) std::ranges::fill(memory_[index], std::byte{0xff});  // NaN in all of them
  const auto begin = std::chrono::steady_clock::now();
  parallel_for(calls_.size(), threads, [&](std::size_t i) { run_rows_on_host(program_.payload.type, calls_[i]); });
  return Seconds{std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count()};
}

DataCheck HostEpilogue::check(int threads) const {
  std::vector<DataCheck> found(calls_.size());
  parallel_for(calls_.size(), threads, [&](std::size_t i) { found[i] = check_rows(program_.payload.type, calls_[i]); });
  DataCheck sum{.passed = true};
  for (const auto& each : found) merge(sum, each);
  return sum;
}

}  // namespace p2plab
