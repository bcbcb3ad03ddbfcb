// SPDX-License-Identifier: Apache-2.0
// Rows of complete sums: every norm, number type and float8 against float64, whatever their length and place; and after every planner's sums.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include <fmt/format.h>

#include "p2plab/detail/elements.h"
#include "p2plab/program/lower.h"
#include "p2plab/run/builtin_executors.h"
#include "rows/epilogue_link.h"
#include "rows/host_rows.h"
#include "rows/row_check.h"
#include "rows/row_cpu.h"
#include "support/machines.h"
#include "support/plans.h"

namespace p2plab::epilogue_test {
namespace {

// All tensors of some rows; the source is drawn.
class Rows {
 public:
  Rows(DataType type, const Epilogue& epilogue, std::int64_t rows, unsigned seed = 1) : type_(type) {
    const Payload payload{.elements = rows * epilogue.hidden, .type = type};
    std::mt19937 random(seed);
    std::uniform_real_distribution<float> values(-3, 3);
    const auto take = [&](std::int64_t elements) {
      memory_.emplace_back(static_cast<std::size_t>(elements) / 4 + 1);
      auto* const data = reinterpret_cast<std::byte*>(memory_.back().data());
      for (std::int64_t i = 0; i < elements; ++i) store(data, i, values(random));
      return reinterpret_cast<std::uint64_t>(data);
    };
    const auto source = take(payload.elements);
    EpilogueBuffers buffers;
    for (auto* const tensor : {&buffers.residual, &buffers.weight, &buffers.bias, &buffers.sum, &buffers.normed, &buffers.quantised, &buffers.scales})
      *tensor = take(payload.elements + 16);
    if (epilogue.float8 == Float8::tensor) *reinterpret_cast<float*>(buffers.scales) = 0.013F;
    call = *link_epilogue(epilogue, payload, source, buffers);
  }
  void store(std::byte* data, std::int64_t i, float value) const {
    if (type_ == DataType::float16) reinterpret_cast<Half*>(data)[i] = to_half(value);
    if (type_ == DataType::bfloat16) reinterpret_cast<BFloat16*>(data)[i] = to_bfloat16(value);
    if (type_ == DataType::float32) reinterpret_cast<float*>(data)[i] = value;
  }
  void set(std::int64_t i, float value) const { store(reinterpret_cast<std::byte*>(call.source), i, value); }
  std::string bytes(std::uint64_t tensor, std::int64_t first, std::int64_t count) const {
    const auto width = static_cast<std::size_t>(size_of(type_));
    return {reinterpret_cast<const char*>(tensor) + static_cast<std::size_t>(first) * width, static_cast<std::size_t>(count) * width};
  }
  DataCheck run() const {
    run_rows_on_host(type_, call);
    return check_rows(type_, call);
  }

  args::EpilogueCall call;

 private:
  struct alignas(16) Vector {
    std::array<std::byte, 16> bytes;
  };
  DataType type_;
  std::vector<std::vector<Vector>> memory_;
};

constexpr std::array types{DataType::float16, DataType::bfloat16, DataType::float32};

TEST(EpilogueRows, AreWhatFloat64SaysWithinTheTypes) {
  for (const auto type : types) {
    for (const auto norm : {Norm::off, Norm::rms, Norm::layer}) {
      for (const auto float8 : {Float8::off, Float8::tensor, Float8::token, Float8::group}) {
        for (const std::int64_t hidden : {1, 7, 128, 1000, 5120}) {
          for (const bool all : {true, false}) {
            if (float8 == Float8::group && hidden % Epilogue::group != 0) continue;
            const Epilogue epilogue{.hidden = hidden,
                                    .norm = norm,
                                    .float8 = float8,
                                    .residual = all,
                                    .weight = all && norm != Norm::off,
                                    .bias = all && norm == Norm::layer,
                                    .gives_sum = all || norm == Norm::off,
                                    .gives_norm = norm != Norm::off && (all || float8 == Float8::off)};
            SCOPED_TRACE(fmt::format("{} {}, {}", to_string(type), describe(epilogue), all ? "all tensors" : "few tensors"));
            const auto found = Rows(type, epilogue, 3).run();
            EXPECT_TRUE(found.passed) << found.first_wrong;
            EXPECT_GE(found.elements, 3 * hidden);
          }
        }
      }
    }
  }
}

TEST(EpilogueRows, MayPutTheSumWhereTheResidualWas) {
  for (const auto type : types) {
    const Epilogue epilogue{.hidden = 1000, .float8 = Float8::token};
    const Rows apart(type, epilogue, 3);
    Rows in_place(type, epilogue, 3);
    in_place.call.sum = in_place.call.residual;
    EXPECT_TRUE(apart.run().passed);
    run_rows_on_host(type, in_place.call);
    EXPECT_EQ(in_place.bytes(in_place.call.sum, 0, 3000), apart.bytes(apart.call.sum, 0, 3000));
    EXPECT_EQ(in_place.bytes(in_place.call.normed, 0, 3000), apart.bytes(apart.call.normed, 0, 3000));
  }
}

// A row's bits are its own: the same alone and among others, with vectors held in registers and loaded again.
TEST(EpilogueRows, HaveTheSameBitsWhereverTheyStand) {
  constexpr std::int64_t hidden = 5120;
  const Epilogue epilogue{.hidden = hidden, .norm = Norm::layer, .bias = true};
  const Rows all(DataType::bfloat16, epilogue, 4);
  ASSERT_TRUE(all.run().passed);
  for (std::int64_t row = 0; row < 4; ++row) {
    Rows one(DataType::bfloat16, epilogue, 1, 2);
    const auto offset = static_cast<std::uint64_t>(row * hidden * 2);
    one.call.source = all.call.source + offset;
    one.call.residual = all.call.residual + offset;
    one.call.weight = all.call.weight;
    one.call.bias = all.call.bias;
    run_rows_on_host(DataType::bfloat16, one.call);
    EXPECT_EQ(one.bytes(one.call.normed, 0, hidden), all.bytes(all.call.normed, row * hidden, hidden)) << "row " << row;
    device::run_rows<RowCpu<PlainCpu>, device::RowShape<CpuBFloat, 1, hidden / 8, true>>(one.call, 0);
    EXPECT_EQ(one.bytes(one.call.normed, 0, hidden), all.bytes(all.call.normed, row * hidden, hidden)) << "row " << row << ", held";
  }
}

// What code made for an epilogue knows beforehand; the call need not say it.
template <class Known>
void expect_rows_where_known(const Epilogue& epilogue) {
  constexpr std::int64_t hidden = 256;
  Rows rows(DataType::bfloat16, epilogue, 3);
  auto call = rows.call;
  call.norm = 77;
  call.float8 = 77;
  device::run_rows<RowCpu<PlainCpu>, device::RowShape<CpuBFloat, 1, hidden / 8, true, Known>>(call, 0);
  EXPECT_TRUE(check_rows(DataType::bfloat16, rows.call).passed) << describe(epilogue);
}

TEST(EpilogueRows, AreTheSameWhereCodeKnowsWhatIsDone) {
  using device::KnownRows;
  expect_rows_where_known<KnownRows<1, 0, true, true, false, true, true>>({.hidden = 256});
  expect_rows_where_known<KnownRows<2, 2, true, true, true, true, false>>(
      {.hidden = 256, .norm = Norm::layer, .float8 = Float8::token, .bias = true, .gives_norm = false});
  expect_rows_where_known<KnownRows<1, 3, false, true, false, false, true>>(
      {.hidden = 256, .float8 = Float8::group, .residual = false, .gives_sum = false});
  expect_rows_where_known<KnownRows<0, 1, true, false, false, true, false>>(
      {.hidden = 256, .norm = Norm::off, .float8 = Float8::tensor, .weight = false, .gives_norm = false});
}

TEST(EpilogueRows, KeepNaNToTheirOwnRow) {
  for (const auto type : types) {
    for (const auto float8 : {Float8::token, Float8::group}) {
      const Epilogue epilogue{.hidden = 256, .norm = Norm::layer, .float8 = float8};
      const Rows clean(type, epilogue, 3);
      ASSERT_TRUE(clean.run().passed);
      const Rows spoilt(type, epilogue, 3);
      spoilt.set(256 + 77, std::numeric_limits<float>::quiet_NaN());
      run_rows_on_host(type, spoilt.call);
      for (const std::int64_t row : {0, 2})
        EXPECT_EQ(spoilt.bytes(spoilt.call.normed, row * 256, 256), clean.bytes(clean.call.normed, row * 256, 256));
      const auto* const q = reinterpret_cast<const std::uint8_t*>(spoilt.call.quantised);
      for (int i = 0; i < 3 * 256; ++i) EXPECT_EQ(std::isnan(from_e4m3(q[i])), i / 256 == 1) << i;
      EXPECT_TRUE(check_rows(type, spoilt.call).passed);
    }
  }
}

TEST(EpilogueRows, AreComparedAndNotBelieved) {
  const Epilogue epilogue{.hidden = 128, .float8 = Float8::group};
  for (const auto spoil : {&args::EpilogueCall::sum, &args::EpilogueCall::normed, &args::EpilogueCall::quantised, &args::EpilogueCall::scales}) {
    const Rows rows(DataType::float32, epilogue, 2);
    ASSERT_TRUE(rows.run().passed);
    reinterpret_cast<std::uint8_t*>(rows.call.*spoil)[3] ^= 0x55;
    EXPECT_FALSE(check_rows(DataType::float32, rows.call).passed);
  }
}

// Against all 256 values, ties to the even one.
TEST(Float8, IsTheNearestNumberThatThereIs) {
  const auto nearest = [](float value) {
    int best = 0;
    for (int bits = 0; bits < 127; ++bits) {
      const auto error = std::abs(std::abs(double{value}) - from_e4m3(static_cast<std::uint8_t>(bits)));
      const auto least = std::abs(std::abs(double{value}) - from_e4m3(static_cast<std::uint8_t>(best)));
      if (error < least || (error == least && bits % 2 == 0)) best = bits;
    }
    return static_cast<std::uint32_t>(best) | (std::signbit(value) ? 0x80U : 0U);
  };
  for (std::uint32_t bits = 0; bits < 0x10000; bits += 7) {
    const auto value = to_float(Half{static_cast<std::uint16_t>(bits)});
    if (std::isnan(value)) {
      EXPECT_EQ(device::to_e4m3(value) & 0x7fU, 0x7fU);
    } else {
      EXPECT_EQ(device::to_e4m3(value), nearest(std::min(std::max(value, -448.0F), 448.0F))) << value;
    }
  }
  EXPECT_EQ(device::to_e4m3(0x1p-10F), 0U);
  EXPECT_EQ(device::to_e4m3(std::nextafter(0x1p-10F, 1.0F)), 1U);
}

TEST(EpilogueTensors, ThatAreMissingOrOddAreNamed) {
  const Payload payload{.elements = 64, .type = DataType::float16};
  EpilogueBuffers buffers{.residual = 16, .weight = 32, .sum = 48};
  auto missing = link_epilogue({.hidden = 32}, payload, 16, buffers);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().message, "the epilogue's normed output is missing");
  buffers.normed = 72;
  auto odd = link_epilogue({.hidden = 32}, payload, 16, buffers);
  ASSERT_FALSE(odd);
  EXPECT_EQ(odd.error().message, "the epilogue's normed output does not begin at a multiple of 16 bytes");
}

TEST(HostExecutor, ChecksEveryEpilogueAfterEveryPlanner) {
  const auto planners = builtin_planners();
  const auto executors = builtin_executors();
  const auto host = (*executors.get("executor", "host"))->make();
  const std::array epilogues{Epilogue{.hidden = 40}, Epilogue{.hidden = 128, .float8 = Float8::group},
                             Epilogue{.hidden = 7, .norm = Norm::layer, .float8 = Float8::token, .bias = true},
                             Epilogue{.hidden = 24, .norm = Norm::off, .float8 = Float8::tensor, .weight = false, .gives_norm = false}};
  int runs = 0;
  for (int n = 2; n <= 8; ++n) {
    const auto machine = test::one_switch(n);
    for (const auto& entry : planners.entries()) {
      const auto plan = test::plan_on(machine, entry.name, CollectiveKind::all_reduce);
      if (!plan) continue;
      const auto proof = verify(machine, plan->schedule);
      ASSERT_TRUE(proof);
      for (std::size_t e = 0; e < epilogues.size(); ++e) {
        const Payload payload{.elements = epilogues[e].hidden * 3, .type = types[(e + static_cast<std::size_t>(n)) % types.size()]};
        const auto program = with_epilogue(*lower(plan->schedule, *proof, payload, {.blocks_per_lane = 2, .slices = 2}), epilogues[e]);
        ASSERT_TRUE(program);
        const auto found = host->run({&machine, &*plan, &*program}, {.warmup = 0, .repeats = 1, .threads = 1});
        ASSERT_TRUE(found) << describe(found.error());
        EXPECT_TRUE(found->check->passed) << entry.name << ", " << n << " ranks: " << found->check->first_wrong;
        EXPECT_GT(found->check->elements, payload.elements * n);
        ++runs;
      }
    }
  }
  EXPECT_GT(runs, 100);
}

}  // namespace
}  // namespace p2plab::epilogue_test
