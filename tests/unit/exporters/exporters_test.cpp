// What exporters write is read back by the rules of its format and replayed: nothing hangs, and the data that moves is the program's.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <sstream>

#include <pugixml.hpp>

#include "../../support/simulated.h"
#include "p2plab/builtin_exporters.h"

namespace p2plab {
namespace {

// A program of a plan, and what it moves between ranks.
struct Case {
  Topology machine;
  Plan plan;
  Program program;
};

Case made(const Topology& machine, const std::string& planner, CollectiveKind kind, Bytes size, const Parameters& parameters = {}, const Tuning& tuning = {}) {
  auto plan = *testing::plan_on(machine, planner, kind, parameters);
  auto program = testing::lowered(machine, plan.schedule, size, tuning);
  return {machine, std::move(plan), std::move(program)};
}

std::vector<ExportedFile> exported(const Case& c, const std::string& format) {
  const auto exporters = builtin_exporters();
  const auto exporter = (*exporters.get("format", format))->make();
  const ExportJob job{&c.machine, &c.plan, &c.program};
  EXPECT_TRUE(exporter->supports(job)) << c.plan.planner;
  auto files = exporter->write(job);
  expects(static_cast<bool>(files));
  return *std::move(files);
}

using Traffic = std::map<std::pair<int, int>, std::multiset<std::int64_t>>;   // from, to: sizes of messages

Traffic traffic_of(const Program& program) {
  Traffic traffic;
  for (const auto& lane : program.lanes) {
    for (auto index = lane.first; index < lane.first + lane.count; ++index) {
      const auto& i = program.instructions[index];
      const auto slice = program.tuning.slice.count();
      for (std::int64_t s = 0; s < program.slices(i); ++s) {
        const auto bytes = slice <= 0 ? i.bytes : std::min(slice, i.bytes - s * slice);
        const auto me = static_cast<int>(lane.rank.value);
        for (const auto& o : program.sources(i)) {
          if (o.rank != lane.rank) traffic[{static_cast<int>(o.rank.value), me}].insert(bytes);
        }
        for (const auto& o : program.destinations(i)) {
          if (o.rank != lane.rank) traffic[{me, static_cast<int>(o.rank.value)}].insert(bytes);
        }
      }
    }
  }
  return traffic;
}

// An operation as a packet-level simulator sees it.
struct Op {
  char kind = 'c';
  std::int64_t bytes = 0;
  int peer = -1;
  std::int64_t tag = 0;
  std::vector<std::size_t> after;
};
using Ops = std::vector<std::vector<Op>>;   // by rank

// Runs operations as their needs allow, in a random order: a send needs nothing of its receiver, a receive needs its send. Odd tags carry no data.
Traffic replay(const Ops& ranks) {
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

// GOAL by its grammar: num_ranks N, then rank R { lines }, each an operation with a label or "lA requires lB".
Ops read_goal(const std::string& text) {
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
    if (!(words >> first)) continue;
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
      if (kind == "calc") words >> op.bytes;
      else words >> op.bytes >> unused >> word >> op.peer >> word >> op.tag;
      EXPECT_TRUE(words) << line;
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

Op read_node(std::string_view bytes, std::size_t id, int me) {
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
  if (op.kind == 'c') return op;
  op.bytes = static_cast<std::int64_t>(attributes.at("comm_size"));
  op.tag = static_cast<std::int64_t>(attributes.at("comm_tag"));
  const auto mine = op.kind == 's' ? "comm_src" : "comm_dst";
  EXPECT_EQ(attributes.at(mine), static_cast<std::uint64_t>(me));
  op.peer = static_cast<int>(attributes.at(op.kind == 's' ? "comm_dst" : "comm_src"));
  return op;
}

Ops read_chakra(const std::vector<ExportedFile>& files) {
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

std::vector<Case> cases() {
  using enum CollectiveKind;
  std::vector<Case> all;
  const Tuning sliced{.parts = 2, .slice = 1_KiB};
  for (const int n : {1, 2, 3, 5, 8}) {
    const auto machine = testing::one_switch(n);
    for (const char* planner : {"ring", "tree", "two_shot"}) all.push_back(made(machine, planner, all_reduce, 9'997_B, {}, sliced));
    all.push_back(made(machine, "one_shot", all_reduce, 10'000_B, {{"mode", "pull"}}));
    all.push_back(made(machine, "one_shot", all_gather, Bytes{n * 1000}));
    all.push_back(made(machine, "ring", reduce_scatter, Bytes{n * 1000}, {}, sliced));
    all.push_back(made(machine, "pairwise", all_to_all, Bytes{n * n * 64}));
  }
  all.push_back(made(testing::dgx1(8, true, false), "ring", all_reduce, 0_B));
  all.push_back(made(testing::dgx1(8, true, false), "forest", all_gather, 64_KiB));
  all.push_back(made(testing::islands_over_pcie(2, 2), "hierarchical", all_reduce, 64_KiB, {}, sliced));
  return all;
}

TEST(Goal, ReplayMovesTheProgramsDataAndNeverHangs) {
  for (const auto& c : cases()) {
    SCOPED_TRACE(c.plan.planner + " " + std::to_string(c.machine.ranks()));
    EXPECT_EQ(replay(read_goal(exported(c, "goal").front().content)), traffic_of(c.program));
  }
}

TEST(Chakra, ReplayMovesTheProgramsDataAndNeverHangs) {
  for (const auto& c : cases()) {
    SCOPED_TRACE(c.plan.planner + " " + std::to_string(c.machine.ranks()));
    EXPECT_EQ(replay(read_chakra(exported(c, "chakra"))), traffic_of(c.program));
  }
}

// MSCCL's interpreter on values that say what they are: a chunk's block and piece, and how often each rank is in it.
class MscclRun {
 public:
  MscclRun(const std::string& xml, bool in_place) : in_place_(in_place) {
    expects(static_cast<bool>(document_.load_string(xml.c_str())));
    algo_ = document_.child("algo");
    for (auto gpu : algo_.children("gpu")) gpus_.push_back(gpu);
    next_.resize(gpus_.size());
    for (std::size_t g = 0; g < gpus_.size(); ++g) {
      EXPECT_EQ(gpus_[g].attribute("id").as_uint(), g);
      for (auto tb : gpus_[g].children("tb")) {
        EXPECT_EQ(tb.attribute("id").as_uint(), next_[g].size());
        next_[g].push_back(0);
      }
    }
  }

  using Value = std::map<int, int>;   // rank -> how often it is in the sum
  std::vector<Value>& buffer(std::size_t gpu, char name) {
    auto& b = buffers_[{gpu, in_place_ && name == 'i' ? 'o' : name}];
    return b;
  }
  int chunks(std::size_t gpu, const char* which) const { return gpus_[gpu].attribute(which).as_int(); }
  void allocate() {
    for (std::size_t g = 0; g < gpus_.size(); ++g) {
      for (const auto& [name, which] : {std::pair{'i', "i_chunks"}, std::pair{'o', "o_chunks"}, std::pair{'s', "s_chunks"}}) {
        auto& b = buffer(g, name);
        b.resize(std::max(b.size(), static_cast<std::size_t>(chunks(g, which))));
      }
    }
  }

  /// Runs blocks in turn, each as far as it gets; at most eight messages lie in a connection.
  void run() {
    for (bool moved = true; moved;) {
      moved = false;
      for (std::size_t g = 0; g < gpus_.size(); ++g) {
        std::size_t t = 0;
        for (auto tb : gpus_[g].children("tb")) {
          while (step(g, t, tb)) moved = true;
          ++t;
        }
      }
    }
    for (std::size_t g = 0; g < gpus_.size(); ++g) {
      std::size_t t = 0;
      for (auto tb : gpus_[g].children("tb")) EXPECT_EQ(next_[g][t++], static_cast<int>(std::distance(tb.begin(), tb.end()))) << "a thread block hangs";
    }
  }

 private:
  bool step(std::size_t g, std::size_t t, pugi::xml_node tb) {
    auto node = tb.first_child();
    for (int s = 0; s < next_[g][t] && node; ++s) node = node.next_sibling();
    if (!node) return false;
    EXPECT_EQ(node.attribute("s").as_int(), next_[g][t]);
    const auto wait = node.attribute("depid").as_int();
    if (wait >= 0) {
      auto other = gpus_[g].first_child();
      for (int b = 0; b < wait; ++b) other = other.next_sibling();
      auto awaited = other.first_child();
      for (int s = 0; s < node.attribute("deps").as_int(); ++s) awaited = awaited.next_sibling();
      EXPECT_EQ(awaited.attribute("hasdep").as_int(), 1);
      if (next_[g][static_cast<std::size_t>(wait)] <= node.attribute("deps").as_int()) return false;
    }
    if (!act(g, tb, node)) return false;
    ++next_[g][t];
    return true;
  }

  bool act(std::size_t g, pugi::xml_node tb, pugi::xml_node node) {
    const std::string type = node.attribute("type").value();
    const auto count = node.attribute("cnt").as_uint();
    auto& from = buffer(g, node.attribute("srcbuf").value()[0]);
    auto& to = buffer(g, node.attribute("dstbuf").value()[0]);
    const auto source = node.attribute("srcoff").as_uint();
    const auto target = node.attribute("dstoff").as_uint();
    const auto channel = tb.attribute("chan").as_int();
    const auto me = static_cast<int>(g);
    if (type == "nop") return true;
    if (type == "s") {
      auto& wire = wires_[{me, tb.attribute("send").as_int(), channel}];
      if (wire.size() >= 8) return false;
      std::vector<Value> message;
      for (std::size_t c = 0; c < count; ++c) message.push_back(from.at(source + c));
      wire.push_back(std::move(message));
      return true;
    }
    if (type == "r") {
      auto& wire = wires_[{tb.attribute("recv").as_int(), me, channel}];
      if (wire.empty()) return false;
      EXPECT_EQ(wire.front().size(), count);
      for (std::size_t c = 0; c < count; ++c) to.at(target + c) = wire.front()[c];
      wire.erase(wire.begin());
      return true;
    }
    for (std::size_t c = 0; c < count; ++c) {
      const auto value = from.at(source + c);
      if (type == "cpy") to.at(target + c) = value;
      else for (const auto& [rank, times] : value) to.at(target + c)[rank] += times;
    }
    return true;
  }

  bool in_place_;
  pugi::xml_document document_;
  pugi::xml_node algo_;
  std::vector<pugi::xml_node> gpus_;
  std::vector<std::vector<int>> next_;
  std::map<std::pair<std::size_t, char>, std::vector<Value>> buffers_;
  std::map<std::tuple<int, int, int>, std::vector<std::vector<Value>>> wires_;
};

TEST(MscclXml, ItsInterpreterEndsWithEverySumWhereTheCollectiveWantsIt) {
  using enum CollectiveKind;
  std::vector<Case> all;
  for (const int n : {2, 3, 5, 8}) {
    const auto machine = testing::one_switch(n);
    for (const char* planner : {"ring", "tree", "one_shot", "two_shot"}) all.push_back(made(machine, planner, all_reduce, 64_KiB));
    all.push_back(made(machine, "one_shot", all_reduce, 64_KiB, {{"mode", "pull"}}));
    all.push_back(made(machine, "one_shot", all_gather, Bytes{n * 4096}));
  }
  all.push_back(made(testing::dgx1(8, true, false), "ring", all_reduce, 1_MiB));
  all.push_back(made(testing::islands_over_pcie(2, 2), "hierarchical", all_reduce, 64_KiB));
  for (const auto& c : all) {
    SCOPED_TRACE(c.plan.planner + " " + std::to_string(c.machine.ranks()));
    MscclRun run(exported(c, "msccl-xml").front().content, false);
    run.allocate();
    const bool gathers = c.program.collective.kind == all_gather;
    const auto n = c.machine.ranks();
    for (int g = 0; g < n; ++g) {
      for (auto& value : run.buffer(static_cast<std::size_t>(g), 'i')) value[g] = 1;
    }
    run.run();
    std::map<int, int> everyone;
    for (int g = 0; g < n; ++g) everyone[g] = 1;
    for (int g = 0; g < n; ++g) {
      const auto& out = run.buffer(static_cast<std::size_t>(g), 'o');
      for (std::size_t p = 0; p < out.size(); ++p) {
        const auto owner = static_cast<int>(p * static_cast<std::size_t>(n) / out.size());
        EXPECT_EQ(out[p], gathers ? (std::map<int, int>{{owner, 1}}) : everyone) << g << ' ' << p;
      }
    }
  }
}

TEST(MscclXml, SaysWhatItCannotSay) {
  const auto c = made(testing::one_switch(4), "tree", CollectiveKind::broadcast, 64_KiB);
  const auto exporters = builtin_exporters();
  const auto exporter = (*exporters.get("format", "msccl-xml"))->make();
  const auto refused = exporter->supports({&c.machine, &c.plan, &c.program});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::unsupported);
  EXPECT_EQ(refused.error().message, "MSCCL XML: it has no collective for broadcast");
  EXPECT_FALSE(exporters.get("format", "gaol"));
}

}  // namespace
}  // namespace p2plab
