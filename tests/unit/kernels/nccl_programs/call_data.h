// SPDX-License-Identifier: Apache-2.0
// The buffers of a drawn call on one rank, between guards, and what must be in them afterwards.
#pragma once

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "unit/kernels/nccl_programs/drawn.h"

namespace p2plab::test {

struct Comm {
  void* handle = nullptr;
  std::vector<int> members = {};  // ranks of the whole job
  int rank = 0;
  int ranks() const { return static_cast<int>(members.size()); }
};

// A buffer between guards, some elements off the best alignment.
class Guarded {
 public:
  Guarded(std::size_t elements, std::size_t shift, int type)
      : size_(nccl_sizes[static_cast<std::size_t>(type)]),
        from_(guard + shift * size_),
        bytes_(elements * size_),
        memory_(from_ + bytes_ + guard, fill) {}
  char* at(std::size_t element) { return memory_.data() + from_ + element * size_; }
  bool guards_hold() const {
    for (std::size_t i = 0; i < memory_.size(); ++i) {
      if ((i < from_ || i >= from_ + bytes_) && memory_[i] != fill) return false;
    }
    return true;
  }

 private:
  static constexpr std::size_t guard = 64;
  static constexpr char fill = 0x5a;
  std::size_t size_;
  std::size_t from_;
  std::size_t bytes_;
  std::vector<char> memory_;
};

// A call as one rank makes it: its buffers, and what must be in them.
class CallData {
 public:
  CallData(const DrawnCall& drawn, unsigned number, const Comm& comm) : drawn_(drawn), comm_(comm) {
    root_ = static_cast<int>(drawn.root) % comm.ranks();
    const auto n = drawn.count;
    const auto all = n * static_cast<std::size_t>(comm.ranks());
    const bool scattered = is(Kind::reduce_scatter) || is(Kind::scatter) || is(Kind::all_to_all);
    const bool gathered = is(Kind::all_gather) || is(Kind::gather) || is(Kind::all_to_all);
    in_ = scattered ? all : n;
    out_ = gathered ? all : n;
    // In place as NCCL has it; of an all-to-all, and of messages, there is none.
    const bool may = !is(Kind::all_to_all) && !is(Kind::send_receive) && !is(Kind::ring);
    in_place_ = is(Kind::bcast) || (drawn.in_place && may);
    const auto mine = static_cast<std::size_t>(comm.rank) * n;
    const bool within_output = in_place_ && gathered;
    const bool within_input = in_place_ && scattered;
    input_ = std::make_shared<Guarded>(in_place_ ? std::max(in_, out_) : in_, drawn.shift, drawn.type);
    output_ = in_place_ ? input_ : std::make_shared<Guarded>(out_, drawn.shift / 2, drawn.type);
    in_at_ = within_output ? mine : 0;
    out_at_ = within_input ? mine : 0;
    give(number);
  }

  /// Other data in the same buffers.
  void give(unsigned number) {
    number_ = number;
    for (std::size_t i = 0; i < in_; ++i) store(drawn_.type, send(i), value(comm_.rank, i));
  }

  std::string mistake() {
    if (!input_->guards_hold() || !output_->guards_hold()) return "something was written beside a buffer";
    for (std::size_t i = 0; i < out_ && gets(); ++i) {
      const auto found = load(drawn_.type, receive(i));
      const auto wanted = expected(i);
      const double tolerance = is_float(drawn_.type) ? std::abs(wanted) * (drawn_.type == 9 ? 0.0079 : drawn_.type == 6 ? 0.00098 : 1e-6) : 0;
      if (std::abs(found - wanted) > tolerance)
        return "element " + std::to_string(i) + " is " + std::to_string(found) + ", not " + std::to_string(wanted);
    }
    for (std::size_t i = 0; i < in_ && !in_place_; ++i) {
      if (load(drawn_.type, send(i)) != value(comm_.rank, i)) return "input " + std::to_string(i) + " changed";
    }
    return {};
  }

 protected:
  bool is(Kind kind) const { return drawn_.kind == kind; }
  int after(int rank) const { return (rank + 1) % comm_.ranks(); }
  char* send(std::size_t i) { return input_->at(in_at_ + i); }
  char* receive(std::size_t i) { return output_->at(out_at_ + i); }
  double value(int member, std::size_t i) const { return given(number_, comm_.members[static_cast<std::size_t>(member)], i); }
  bool gets() const {
    if (is(Kind::reduce) || is(Kind::gather)) return comm_.rank == root_;
    return !is(Kind::send_receive) || (comm_.rank == after(root_) && comm_.ranks() > 1);
  }

  DrawnCall drawn_;
  Comm comm_;
  int root_ = 0;

 private:
  double sum(std::size_t i) const {
    const bool own = drawn_.op == premultiplied;
    double all = 0;
    for (int r = 0; r < comm_.ranks(); ++r) {
      const auto one = value(r, i) * (own ? 2 : 1);
      all = r == 0 ? one : combined_by(own ? 0 : drawn_.op, all, one);
    }
    return drawn_.op == 4 ? average_of(drawn_.type, all, comm_.ranks()) : all;
  }
  double expected(std::size_t i) const {
    const auto n = drawn_.count;
    const auto mine = static_cast<std::size_t>(comm_.rank);
    switch (drawn_.kind) {
      case Kind::all_reduce:
      case Kind::reduce: return sum(i);
      case Kind::reduce_scatter: return sum(mine * n + i);
      case Kind::all_gather:
      case Kind::gather: return value(static_cast<int>(i / n), i % n);
      case Kind::broadcast:
      case Kind::bcast:
      case Kind::send_receive: return value(root_, i);
      case Kind::scatter: return value(root_, mine * n + i);
      case Kind::all_to_all: return value(static_cast<int>(i / n), mine * n + i % n);
      case Kind::ring: return value((comm_.rank + comm_.ranks() - 1) % comm_.ranks(), i);
    }
    return 0;
  }

  unsigned number_ = 0;
  std::size_t in_ = 0;
  std::size_t out_ = 0;
  bool in_place_ = false;
  std::size_t in_at_ = 0;
  std::size_t out_at_ = 0;
  std::shared_ptr<Guarded> input_;
  std::shared_ptr<Guarded> output_;
};

}  // namespace p2plab::test
