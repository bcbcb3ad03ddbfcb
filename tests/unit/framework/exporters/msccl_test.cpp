// MSCCL's XML, run by an interpreter of its rules.
#include <gtest/gtest.h>

#include <map>

#include <pugixml.hpp>

#include "support/exported.h"

namespace p2plab {
namespace {

using testing::exported;
using Case = testing::Exportable;

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

  using Value = std::map<int, int>;  // rank -> how often it is in the sum
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
      for (auto tb : gpus_[g].children("tb"))
        EXPECT_EQ(next_[g][t++], static_cast<int>(std::distance(tb.begin(), tb.end()))) << "a thread block hangs";
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
      if (type == "cpy")
        to.at(target + c) = value;
      else
        for (const auto& [rank, times] : value) to.at(target + c)[rank] += times;
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
    for (const char* planner : {"ring", "tree", "one_shot", "two_shot"}) all.push_back(testing::exportable(machine, planner, all_reduce, 64_KiB));
    all.push_back(testing::exportable(machine, "one_shot", all_reduce, 64_KiB, {{"mode", "pull"}}));
    all.push_back(testing::exportable(machine, "one_shot", all_gather, Bytes{n * 4096}));
  }
  all.push_back(testing::exportable(testing::dgx1(8, true, false), "ring", all_reduce, 1_MiB));
  all.push_back(testing::exportable(testing::islands_over_pcie(2, 2), "hierarchical", all_reduce, 64_KiB));
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
  const auto c = testing::exportable(testing::one_switch(4), "tree", CollectiveKind::broadcast, 64_KiB);
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
