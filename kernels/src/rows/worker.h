// SPDX-License-Identifier: Apache-2.0
// Rows of a complete sum, a thread block a row: residual added, normed, converted to float8, as p2plab/program/epilogue.h says. The same source runs
// on GPUs and, with a Machine of one thread a block, on the CPU, with equal bits.
//
// Vectors of 16 bytes of a row belong in turn to `row_strands` strands, strands to threads. Statistics are summed strand by strand in rising order,
// then 32 strands, then 32 of those, always by halves: an order that does not depend on how many threads there are, nor in how many blocks.
#pragma once

#include "rows/epilogue_args.h"
#include "rows/float8.h"
#include "rows/row_shape.h"

namespace p2plab::device {

template <class Machine, class Shape>
class RowWorker {
  using Number = typename Shape::Number;
  using Rows = typename Shape::Rows;
  static constexpr int elements = Shape::elements;

 public:
  constexpr RowWorker(const args::EpilogueCall& call, std::uint32_t shared)
      : call_(call), shared_(shared), vectors_((call.hidden + elements - 1) / elements) {}

  /// Asks for what of a row does not depend on the sum, so that it comes while something else is waited for.
  constexpr void fetch(std::uint32_t row) {
    if constexpr (Shape::slots > 0) {
      each([&](int slot, int, std::uint32_t v) {
        if (has_residual()) residuals_[slot] = load(call_.residual, row, v);
        if (has_weight()) weights_[slot] = load(call_.weight, 0, v);
      });
    }
  }

  /// Where a vector of the sum may be put instead of memory, if `finish` is told so.
  constexpr Words<4>* taken(int slot) { return &held_[slot]; }

  /// A row, after `fetch` of it, when its sum is complete and seen by the block's threads, or `Taken`. All of them come here together.
  template <bool Taken = false>
  constexpr void finish(std::uint32_t row) {
    gather<Taken>(row);
    if (norm() == args::norm_layer) center(row);
    if (norm() != args::norm_none) inverse_ = 1.0F / Machine::root(mean_square(row) + call_.epsilon);
    float most = 0;
    if (float8() == args::float8_tensor) inverse_scale_ = 1.0F / Machine::load_float(call_.scales);
    each([&](int slot, int, std::uint32_t v) {
      const auto y = normed(slot, row, v);
      if (gives_norm()) store(call_.normed, row, v, y);
      if (float8() == args::float8_token) most = larger(most, largest(y, v));
      if (float8() == args::float8_tensor) quantise(row, v, y, inverse_scale_);
      if (float8() == args::float8_group) quantise_group(row, v, y);
      if constexpr (Shape::slots > 0) {
        if (float8() == args::float8_token) held_[slot] = y;
      }
    });
    if (float8() == args::float8_token) quantise_row(row, most);
  }

 private:
  // What is done with rows, as constants where they are known.
  constexpr int norm() const {
    if constexpr (Rows::known) return Rows::norm;
    return call_.norm;
  }
  constexpr int float8() const {
    if constexpr (Rows::known) return Rows::float8;
    return call_.float8;
  }
  constexpr bool has_residual() const {
    if constexpr (Rows::known) return Rows::residual;
    return call_.residual != 0;
  }
  constexpr bool has_weight() const {
    if constexpr (Rows::known) return Rows::weight;
    return call_.weight != 0;
  }
  constexpr bool has_bias() const {
    if constexpr (Rows::known) return Rows::bias;
    return call_.bias != 0;
  }
  constexpr bool gives_sum() const {
    if constexpr (Rows::known) return Rows::sum;
    return call_.sum != 0;
  }
  constexpr bool gives_norm() const {
    if constexpr (Rows::known) return Rows::normed;
    return call_.normed != 0;
  }

  /// body(slot, strand of the thread, vector) of this thread's vectors.
  template <class Body>
  constexpr void each(Body&& body) const {
    if constexpr (Shape::slots > 0) {
      each_of<Shape::slots>([&](auto s) {
        const auto v = static_cast<std::uint32_t>(s * Shape::threads) + Machine::thread();
        if (v < vectors_) body(s, s % Shape::strands, v);
      });
    } else {
      for (std::uint32_t base = 0; base < vectors_; base += row_strands) {
        each_of<Shape::strands>([&](auto k) {
          const auto v = base + static_cast<std::uint32_t>(k * Shape::threads) + Machine::thread();
          if (v < vectors_) body(0, k, v);
        });
      }
    }
  }

  constexpr std::int64_t row_bytes() const { return std::int64_t{call_.hidden} * Shape::bytes; }

  constexpr Words<4> load(std::uint64_t from, std::uint32_t row, std::uint32_t v) const {
    const auto begin = std::int64_t{v} * 16;
    const auto address = from + static_cast<std::uint64_t>(row * row_bytes() + begin);
    if constexpr (Shape::whole) return Machine::template load<4>(address);
    return load_some<Machine, 4>(address, row_bytes() - begin, begin);
  }
  constexpr void store(std::uint64_t to, std::uint32_t row, std::uint32_t v, const Words<4>& words) const {
    const auto begin = std::int64_t{v} * 16;
    const auto address = to + static_cast<std::uint64_t>(row * row_bytes() + begin);
    if constexpr (Shape::whole) {
      Machine::template store<4>(address, words);
    } else {
      store_some<Machine, 4>(address, words, row_bytes() - begin);
    }
  }

  static constexpr float number(const Words<4>& words, int e) { return Number::unpack(words.w[e / Number::per_word], e % Number::per_word); }
  template <class Value>
  static constexpr Words<4> packed(Value&& value) {
    Words<4> words;
    unroll<elements>([&](auto e) { words.w[e / Number::per_word] |= Number::pack(value(e), e % Number::per_word); });
    return words;
  }
  // NaN is passed over: a row of it has the least scale, and stays NaN.
  static constexpr float larger(float a, float b) { return b > a ? b : a; }
  constexpr float largest(const Words<4>& words, std::uint32_t v) const {
    float most = 0;
    const auto there = count(v);
    unroll<elements>([&](auto e) {
      const auto value = number(words, e);
      if (e < there) most = larger(most, value < 0 ? -value : value);
    });
    return most;
  }

  // z of a vector, x being the sum.
  constexpr Words<4> added(const Words<4>& x, int slot, std::uint32_t row, std::uint32_t v) const {
    if (!has_residual()) return x;
    const auto r = Shape::slots > 0 ? residuals_[slot] : load(call_.residual, row, v);
    return packed([&](int e) { return number(x, e) + number(r, e); });
  }
  constexpr Words<4> sum_of(int slot, std::uint32_t row, std::uint32_t v) const {
    if constexpr (Shape::slots > 0) return held_[slot];
    // It may lie where the residual did.
    return gives_sum() ? load(call_.sum, row, v) : added(load(call_.source, row, v), slot, row, v);
  }

  template <bool Taken>
  constexpr void gather(std::uint32_t row) {
    each([&](int slot, int, std::uint32_t v) {
      const auto z = added(Taken ? held_[slot] : load(call_.source, row, v), slot, row, v);
      if (gives_sum()) store(call_.sum, row, v, z);
      if constexpr (Shape::slots > 0) held_[slot] = z;
    });
  }

  // How many elements of a vector there are.
  constexpr int count(std::uint32_t v) const {
    const auto left = call_.hidden - v * elements;
    return Shape::whole || left >= elements ? elements : static_cast<int>(left);
  }

  template <class Term>
  constexpr float mean(std::uint32_t row, Term&& term) {
    float sums[Shape::sums] = {};
    each([&](int slot, int k, std::uint32_t v) {
      const auto z = sum_of(slot, row, v);
      const auto there = count(v);
      unroll<elements>([&](auto e) {
        if (e < there) sums[k] = term(sums[k], number(z, e));
      });
    });
    return Machine::template row_sum<Shape::threads>(sums, next_room()) / static_cast<float>(call_.hidden);
  }
  constexpr void center(std::uint32_t row) {
    center_ = 0;
    center_ = mean(row, [](float sum, float z) { return sum + z; });
  }
  constexpr float mean_square(std::uint32_t row) {
    return mean(row, [&](float sum, float z) { return Machine::fma(z - center_, z - center_, sum); });
  }

  constexpr Words<4> normed(int slot, std::uint32_t row, std::uint32_t v) const {
    const auto z = sum_of(slot, row, v);
    if (norm() == args::norm_none) return z;
    Words<4> weight;
    Words<4> bias;
    if (has_weight()) weight = Shape::slots > 0 ? weights_[slot] : load(call_.weight, 0, v);
    if (has_bias()) bias = load(call_.bias, 0, v);
    return packed([&](int e) {
      const float scaled = (number(z, e) - center_) * inverse_;
      if (has_bias()) return Machine::fma(scaled, has_weight() ? number(weight, e) : 1.0F, number(bias, e));
      return has_weight() ? scaled * number(weight, e) : scaled;
    });
  }

  constexpr void quantise(std::uint32_t row, std::uint32_t v, const Words<4>& y, float inverse) const {
    constexpr int size = elements / 4;  // words
    Words<size> bytes;
    unroll<elements / 2>(
        [&](auto p) { bytes.w[p / 2] |= Machine::two_e4m3(number(y, 2 * p) * inverse, number(y, 2 * p + 1) * inverse) << (p % 2 * 16); });
    const auto address = call_.quantised + std::uint64_t{row} * call_.hidden + std::uint64_t{v} * elements;
    if constexpr (Shape::whole && size == 2) {
      Machine::template store<2>(address, bytes);
    } else if constexpr (Shape::whole) {
      Machine::store_32(address, bytes.w[0]);
    } else {
      store_odd<Machine, size>(address, bytes, count(v));
    }
  }

  constexpr void quantise_row(std::uint32_t row, float mine) {
    const auto scale = larger(Machine::template row_max<Shape::threads>(mine, next_room()) / most_e4m3, least_scale);
    if (Machine::thread() == 0) Machine::store_float(call_.scales + std::uint64_t{row} * 4, scale);
    each([&](int slot, int, std::uint32_t v) {
      if constexpr (Shape::slots > 0) {
        quantise(row, v, held_[slot], 1.0F / scale);
      } else {
        quantise(row, v, normed(slot, row, v), 1.0F / scale);
      }
    });
  }

  // Groups are whole, and their vectors those of neighbouring threads.
  constexpr void quantise_group(std::uint32_t row, std::uint32_t v, const Words<4>& y) const {
    constexpr int width = static_cast<int>(args::float8_group_elements) / elements;
    const auto other = [&](std::uint32_t u) { return largest(normed(static_cast<int>(u) / Shape::threads, row, u), u); };
    const auto scale = larger(Machine::template group_max<width>(largest(y, v), v, other) / most_e4m3, least_scale);
    quantise(row, v, y, 1.0F / scale);
    const auto groups = call_.hidden / args::float8_group_elements;
    if (v % width == 0) Machine::store_float(call_.scales + (std::uint64_t{row} * groups + v / width) * 4, scale);
  }

  // In turn: nobody writes to one before all have read it, for between lies another's barrier.
  constexpr std::uint32_t next_room() {
    room_ = room_ + 1 == row_rooms ? 0 : room_ + 1;
    return shared_ + room_ * row_room_words * 4;
  }

  const args::EpilogueCall& call_;
  std::uint32_t shared_;  // address of the rooms, in memory that the block's threads share
  std::uint32_t vectors_;
  std::uint32_t room_ = 0;
  float center_ = 0;
  float inverse_ = 1;
  float inverse_scale_ = 1;
  Words<4> residuals_[Shape::held];
  Words<4> weights_[Shape::held];
  Words<4> held_[Shape::held];  // z, then y
};

/// All rows, block by block, where the sums are complete.
template <class Machine, class Shape>
constexpr void run_rows(const args::EpilogueCall& call, std::uint32_t shared) {
  RowWorker<Machine, Shape> worker(call, shared);
  for (auto row = Machine::block(); row < call.rows; row += Machine::blocks()) {
    worker.fetch(row);
    worker.finish(row);
  }
}

/// Has the inputs of a block's first row come to the L2 cache while the kernel before this one still runs, which may be writing some of them.
template <class Machine, class Shape>
constexpr void prefetch_row(const args::EpilogueCall& call, std::uint64_t source) {
  const auto bytes = std::uint64_t{call.hidden} * Shape::bytes;
  const auto row = std::uint64_t{Machine::block()} * bytes;
  constexpr auto step = std::uint64_t{Shape::threads} * 16;
  if (Machine::block() >= call.rows) return;
  for (auto at = std::uint64_t{Machine::thread()} * 16; at < bytes; at += step) {
    if (source != 0) Machine::prefetch(source + row + at);
    if (call.residual != 0) Machine::prefetch(call.residual + row + at);
    if (call.weight != 0) Machine::prefetch(call.weight + at);
    if (call.bias != 0) Machine::prefetch(call.bias + at);
  }
}

/// A kernel of its own. Clusters have one row each.
template <class Machine, class Shape>
constexpr void row_kernel(const args::EpilogueCall& call, std::uint32_t shared) {
  Machine::let_next_start();
  Machine::row_begin(shared);
  prefetch_row<Machine, Shape>(call, call.source);
  Machine::await_previous();
  Machine::row_ready();
  run_rows<Machine, Shape>(call, shared);
}

}  // namespace p2plab::device
