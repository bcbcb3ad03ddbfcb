// SPDX-License-Identifier: Apache-2.0
// GOAL and Chakra by the rules of their formats, and a replay of what they say.
#pragma once

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "p2plab/program/exporter.h"

namespace p2plab::test {

using Traffic = std::map<std::pair<int, int>, std::multiset<std::int64_t>>;  // from, to: sizes of messages

// An operation as a packet-level simulator sees it.
struct Op {
  char kind = 'c';
  std::int64_t bytes = 0;
  int peer = -1;
  std::int64_t tag = 0;
  int cpu = 0;
  int nic = 0;
  std::int64_t operations = 0;
  std::int64_t tensor = 0;
  std::vector<std::size_t> after;
};
using Ops = std::vector<std::vector<Op>>;  // by rank

// Runs operations as their needs allow, in a random order: a send needs nothing of its receiver, a receive needs its send. Odd tags carry no data.
inline Traffic replay(const Ops& ranks) {
  std::map<std::tuple<int, int, std::int64_t>, std::int64_t> sent;
  std::vector<std::vector<bool>> done;
  for (const auto& ops : ranks) done.emplace_back(ops.size(), false);
  Traffic traffic;
  std::mt19937_64 random{7};
  for (bool moved = true; moved;) {
    moved = false;
    std::vector<std::size_t> order(ranks.size());
    for (std::size_t r = 0; r < order.size(); ++r) order[r] = r;
    std::ranges::shuffle(order, random);
    for (const auto r : order) {
      for (std::size_t o = 0; o < ranks[r].size(); ++o) {
        const auto& op = ranks[r][o];
        if (done[r][o] || std::ranges::any_of(op.after, [&](std::size_t before) { return !done[r][before]; })) continue;
        const auto me = static_cast<int>(r);
        if (op.kind == 's') {
          EXPECT_TRUE(sent.emplace(std::tuple{me, op.peer, op.tag}, op.bytes).second) << "one tag used twice";
          if (op.tag % 2 == 0) traffic[{me, op.peer}].insert(op.bytes);
        } else if (op.kind == 'r') {
          const auto message = sent.find({op.peer, me, op.tag});
          if (message == sent.end()) continue;
          EXPECT_EQ(message->second, op.bytes);
        }
        done[r][o] = moved = true;
      }
    }
  }
  for (const auto& flags : done) EXPECT_TRUE(std::ranges::all_of(flags, [](bool flag) { return flag; })) << "operations wait for each other";
  return traffic;
}

// GOAL by its grammar: num_ranks N, then rank R { lines }, each an operation with a label, "lA requires lB" or a comment. `cpu` stands before `nic`,
// which a calculation has not; both are kept in 8 bits, as is the highest of them plus one.
inline Ops read_goal(const std::string& text) {
  std::istringstream in(text);
  std::string word;
  std::size_t ranks = 0;
  in >> word >> ranks;
  EXPECT_EQ(word, "num_ranks");
  Ops all(ranks);
  std::map<std::string, std::size_t> labels;
  std::vector<Op>* now = nullptr;
  std::string line;
  while (std::getline(in, line)) {
    std::istringstream words(line);
    std::string first;
    if (!(words >> first) || first == "//") continue;
    if (first == "rank") {
      std::size_t rank = 0;
      words >> rank >> word;
      EXPECT_EQ(word, "{");
      now = &all.at(rank);
      labels.clear();
    } else if (first == "}") {
      now = nullptr;
    } else if (first.back() == ':') {
      std::string kind;
      std::string unused;
      Op op;
      words >> kind;
      if (kind == "calc") {
        words >> op.bytes >> word >> op.cpu;
      } else {
        words >> op.bytes >> unused >> word >> op.peer >> word >> op.tag;
        EXPECT_EQ(word, "tag") << line;
        words >> word >> op.cpu;
        EXPECT_EQ(word, "cpu") << line;
        words >> word >> op.nic;
        EXPECT_EQ(word, "nic") << line;
      }
      EXPECT_TRUE(words) << line;
      EXPECT_FALSE(words >> word) << line;
      EXPECT_LE(std::max(op.cpu, op.nic), 254) << line;
      op.kind = kind[0];
      labels[first.substr(0, first.size() - 1)] = now->size();
      now->push_back(op);
    } else {
      std::string before;
      words >> word >> before;
      EXPECT_EQ(word, "requires") << line;
      now->at(labels.at(first)).after.push_back(labels.at(before));
    }
  }
  return all;
}

// Protobuf's wire format, knowing only what it says itself: fields are varints or bytes.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}
  bool more() const { return at_ < bytes_.size(); }
  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
      expects(at_ < bytes_.size() && shift < 64);
      const auto byte = static_cast<unsigned char>(bytes_[at_++]);
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  }
  std::string_view bytes() {
    const auto size = varint();
    expects(at_ + size <= bytes_.size());
    at_ += size;
    return bytes_.substr(at_ - size, size);
  }

 private:
  std::string_view bytes_;
  std::size_t at_ = 0;
};

inline Op read_node(std::string_view bytes, std::size_t id, int me) {
  Reader fields(bytes);
  Op op;
  std::map<std::string, std::uint64_t> attributes;
  while (fields.more()) {
    const auto key = fields.varint();
    if (key == (1 << 3)) {
      EXPECT_EQ(fields.varint(), id);
    } else if (key == (3 << 3)) {
      const auto type = fields.varint();
      op.kind = type == 5 ? 's' : (type == 6 ? 'r' : 'c');
    } else if (key == (5 << 3 | 2)) {
      for (Reader deps(fields.bytes()); deps.more();) op.after.push_back(deps.varint());
    } else if (key == (10 << 3 | 2)) {
      Reader attribute(fields.bytes());
      EXPECT_EQ(attribute.varint(), 1U << 3 | 2);
      const std::string name{attribute.bytes()};
      attribute.varint();
      attributes[name] = attribute.varint();
    } else {
      EXPECT_EQ(key, 2U << 3 | 2) << "a field that a node does not have";
      fields.bytes();
    }
  }
  if (op.kind == 'c') {
    op.operations = static_cast<std::int64_t>(attributes.at("num_ops"));
    op.tensor = static_cast<std::int64_t>(attributes.at("tensor_size"));
    return op;
  }
  op.bytes = static_cast<std::int64_t>(attributes.at("comm_size"));
  op.tag = static_cast<std::int64_t>(attributes.at("comm_tag"));
  const auto mine = op.kind == 's' ? "comm_src" : "comm_dst";
  EXPECT_EQ(attributes.at(mine), static_cast<std::uint64_t>(me));
  op.peer = static_cast<int>(attributes.at(op.kind == 's' ? "comm_dst" : "comm_src"));
  return op;
}

inline Ops read_chakra(const std::vector<ExportedFile>& files) {
  Ops all;
  for (std::size_t r = 0; r < files.size(); ++r) {
    EXPECT_EQ(files[r].suffix, "." + std::to_string(r) + ".et");
    Reader file(files[r].content);
    Reader metadata(file.bytes());
    EXPECT_EQ(metadata.varint(), 1U << 3 | 2);
    EXPECT_EQ(metadata.bytes(), "0.0.4");
    auto& ops = all.emplace_back();
    while (file.more()) ops.push_back(read_node(file.bytes(), ops.size(), static_cast<int>(r)));
  }
  return all;
}

}  // namespace p2plab::test
