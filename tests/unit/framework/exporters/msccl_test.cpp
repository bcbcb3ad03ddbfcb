// SPDX-License-Identifier: Apache-2.0
// MSCCL's XML, held to its readers' limits and run by an interpreter of its rules.
#include <gtest/gtest.h>

#include <map>

#include "p2plab/machine/presets.h"
#include "support/exported.h"
#include "support/formats/msccl_reader.h"

namespace p2plab::msccl_test {
namespace {

using test::exported;
using test::msccl_refuses;
using test::MscclRun;
using Case = test::Exportable;
using enum CollectiveKind;

std::map<int, int> once(int first, int count) {
  std::map<int, int> each;
  for (int r = first; r < first + count; ++r) each[r] = 1;
  return each;
}

// Every place of every output holds what the collective promises.
void expect_right_data(const Case& c, const std::string& xml) {
  MscclRun run(xml, c.program.in_place);
  const auto kind = c.program.collective.kind;
  const auto n = c.machine.ranks();
  for (int g = 0; g < n; ++g) {
    auto& input = run.buffer(static_cast<std::size_t>(g), 'i');
    const auto chunks = kind == all_gather && c.program.in_place ? input.size() / static_cast<std::size_t>(n) : input.size();
    const auto first = kind == all_gather && c.program.in_place ? chunks * static_cast<std::size_t>(g) : 0;
    for (std::size_t p = 0; p < chunks; ++p) input[first + p][g] = 1;
  }
  run.run();
  for (int g = 0; g < n; ++g) {
    const auto& out = run.buffer(static_cast<std::size_t>(g), 'o');
    for (std::size_t p = 0; p < out.size(); ++p) {
      const auto owner = static_cast<int>(p * static_cast<std::size_t>(n) / out.size());
      const bool moves = kind == all_gather || kind == all_to_all;
      EXPECT_EQ(out[p], moves ? once(owner, 1) : once(0, n)) << g << ' ' << p;
    }
  }
}

TEST(MscclXml, ItsInterpreterEndsWithEverySumWhereTheCollectiveWantsIt) {
  auto all = test::exportable_plans();
  all.push_back(test::exportable(test::dgx1(8, true, false), "ring", all_reduce, 1_MiB));
  all.push_back(test::exportable(test::islands_over_pcie(2, 2), "hierarchical", all_reduce, 64_KiB));
  for (const auto& c : all) {
    SCOPED_TRACE(c.plan.planner + " " + std::to_string(c.machine.ranks()) + " " + std::string(to_string(c.program.collective.kind)));
    const bool scatters = c.program.collective.kind == reduce_scatter;
    const auto xml = exported(c, "msccl-xml").front().content;
    EXPECT_EQ(msccl_refuses(xml, {}), std::nullopt);
    if (!scatters) expect_right_data(c, xml);
    const auto rccl = exported(c, "rccl-msccl").front().content;
    EXPECT_EQ(msccl_refuses(rccl, test::rccl_reader), std::nullopt);
    EXPECT_EQ(msccl_refuses(rccl, {}).has_value(), scatters);  // the dialects name it differently
  }
}

// What a reader with these limits takes of a plan: right data, or a refusal with the number that is too large.
void expect_read_or_refused(Case c, const std::string& format, const test::MscclReader& reader, bool fits) {
  auto files = test::try_export(c, format);
  ASSERT_EQ(static_cast<bool>(files), fits) << (files ? "" : files.error().message);
  if (!files) {
    EXPECT_EQ(files.error().code, ErrorCode::unsupported);
    EXPECT_NE(files.error().message.find_first_of("0123456789"), std::string::npos) << files.error().message;
    return;
  }
  EXPECT_EQ(msccl_refuses(files->front().content, reader), std::nullopt);
  expect_right_data(c, files->front().content);
}

TEST(MscclXml, PlansBeyondALimitAreSpreadOrRefusedWithTheNumber) {
  struct Row {
    const char* machine;
    const char* planner;
    Parameters parameters;
    bool fits;
    bool fits_rccl;
  };
  const std::vector<Row> rows{
      {"star:gpus=34", "one_shot", {}, true, true},  // 33 peers on a channel: the last goes to another channel
      {"nvl72", "two_shot", {}, true, false},        // 71 peers each way
      {"mesh:dims=4x4", "forest", {}, true, false},
      {"mi250x", "forest", {}, true, false},
      {"star:gpus=32", "latency", {{"chunks", "64"}}, true, true},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(std::string(row.machine) + " " + row.planner);
    const auto c = test::exportable(*resolve_topology(row.machine), row.planner, all_reduce, 4_MiB, row.parameters);
    expect_read_or_refused(c, "msccl-xml", {}, row.fits);
    expect_read_or_refused(c, "rccl-msccl", test::rccl_reader, row.fits_rccl);
  }
}

TEST(MscclXml, ALongChunkIsMovedInStepsOfAtMost71) {
  // One chunk of weight 73 beside one of weight 1.
  auto builder = *Schedule::Builder::create(make_collective(all_gather, 2), 2);
  for (int r = 0; r < 2; ++r) {
    for (const std::uint32_t weight : {73U, 1U}) {
      const auto chunk = builder.add_chunk({r, weight, 0});
      builder.add_step(Rank{r}, std::array{input(Rank{r}, chunk)}, std::array{output(Rank{r}, chunk), output(Rank{1 - r}, chunk)});
    }
  }
  const auto machine = test::one_switch(2);
  Case c{machine, {*std::move(builder).build(), "test"}, {}};
  c.program = test::lowered(machine, c.plan.schedule, 1_MiB);
  expect_read_or_refused(c, "msccl-xml", {}, true);
}

TEST(MscclXml, MoreStepsThanAThreadBlockHoldsAreRefusedWithTheirNumber) {
  auto builder = *Schedule::Builder::create(make_collective(all_gather, 2), 2);
  for (int r = 0; r < 2; ++r) {
    for (int c = 0; c < 257; ++c) {
      const auto chunk = builder.add_chunk({r, 1, 0});
      builder.add_step(Rank{r}, std::array{input(Rank{r}, chunk)}, std::array{output(Rank{r}, chunk), output(Rank{1 - r}, chunk)});
    }
  }
  const auto machine = test::one_switch(2);
  Case c{machine, {*std::move(builder).build(), "test"}, {}};
  c.program = test::lowered(machine, c.plan.schedule, 1_MiB);
  const auto refused = test::try_export(c, "msccl-xml");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "MSCCL XML: 257 steps in one thread block on rank 0; at most 256 are read");
}

TEST(MscclXml, SaysWhatItCannotSay) {
  auto c = test::exportable(test::one_switch(4), "tree", broadcast, 64_KiB);
  const auto refused = test::try_export(c, "msccl-xml");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::unsupported);
  EXPECT_EQ(refused.error().message, "MSCCL XML: it has no collective for broadcast");
  const auto exporters = builtin_exporters();
  EXPECT_FALSE(exporters.get("format", "gaol"));
}

}  // namespace
}  // namespace p2plab::msccl_test
