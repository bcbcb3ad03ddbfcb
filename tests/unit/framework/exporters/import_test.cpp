// SPDX-License-Identifier: Apache-2.0
// What was exported comes back as the same schedule, and foreign files as right ones.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "p2plab/machine/presets.h"
#include "p2plab/program/importer.h"
#include "support/exported.h"
#include "support/formats/msccl_reader.h"

namespace p2plab::import_test {
namespace {

using Case = test::Exportable;
using enum CollectiveKind;

Result<Case> imported(const std::string& text, const Topology& machine) {
  auto read = text.starts_with("{") ? import_mscclpp(text, "plan.json") : import_msccl(text, "algorithm.xml");
  if (!read) return std::move(read).error();
  Case c{machine, {std::move(read->schedule), read->name}, {}};
  c.plan.tuning.protocol = read->protocol;
  const auto proof = verify(machine, c.plan.schedule, {.in_place = read->in_place});
  if (!proof) return proof.error();
  c.program = *lower(c.plan.schedule, *proof, {.elements = 1 << 20, .type = DataType::int8}, c.plan.tuning);
  return c;
}

TEST(Import, ExportImportExportGivesTheSameFile) {
  auto all = test::exportable_plans();
  all.push_back(test::exportable(test::dgx1(8, true, false), "ring", all_reduce, 1_MiB));
  all.push_back(test::exportable(test::dgx1(8, true, false), "forest", all_gather, 1_MiB));
  all.push_back(test::exportable(test::islands_over_pcie(2, 2), "hierarchical", all_reduce, 64_KiB));
  all.push_back(test::exportable(*resolve_topology("star:gpus=34"), "one_shot", all_reduce, 64_KiB));
  for (const auto& c : all) {
    for (const char* format : {"msccl-xml", "rccl-msccl", "mscclpp-json"}) {
      SCOPED_TRACE(std::string(format) + " " + c.plan.planner + " " + c.machine.name() + " " + std::string(to_string(c.program.collective.kind)));
      auto mine = c;
      const auto first = test::try_export(mine, format);
      if (!first) continue;  // its limits are msccl_test's business
      auto again = imported(first->front().content, c.machine);
      ASSERT_TRUE(again) << again.error().message;
      const auto second = test::exported(*again, format);
      EXPECT_EQ(first->front().content, second.front().content);
    }
  }
}

std::string changed(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  expects(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

// Two ranks, in place, with MSCCL's fused step: the sum of the own half and of what is received is kept and sent back.
constexpr const char* fused =
    R"(<algo name="p2plab_ar2" proto="LL" nchannels="1" nchunksperloop="2" ngpus="2" coll="allreduce" inplace="1" outofplace="0" minBytes="0" maxBytes="262144">
  <gpu id="0" i_chunks="2" o_chunks="0" s_chunks="1">
    <tb id="0" send="1" recv="1" chan="0">
      <step s="0" type="s" srcbuf="i" srcoff="1" dstbuf="s" dstoff="0" cnt="1" depid="-1" deps="-1" hasdep="0"/>
      <step s="1" type="rrcs" srcbuf="i" srcoff="0" dstbuf="i" dstoff="0" cnt="1" depid="-1" deps="-1" hasdep="0"/>
      <step s="2" type="r" srcbuf="i" srcoff="1" dstbuf="i" dstoff="1" cnt="1" depid="-1" deps="-1" hasdep="0"/>
    </tb>
  </gpu>
  <gpu id="1" i_chunks="2" o_chunks="0" s_chunks="1">
    <tb id="0" send="0" recv="0" chan="0">
      <step s="0" type="s" srcbuf="i" srcoff="0" dstbuf="s" dstoff="0" cnt="1" depid="-1" deps="-1" hasdep="0"/>
      <step s="1" type="rrcs" srcbuf="i" srcoff="1" dstbuf="i" dstoff="1" cnt="1" depid="-1" deps="-1" hasdep="0"/>
      <step s="2" type="r" srcbuf="i" srcoff="0" dstbuf="i" dstoff="0" cnt="1" depid="-1" deps="-1" hasdep="0"/>
    </tb>
  </gpu>
</algo>
)";

TEST(Import, FusedStepsAndMessagesThatMustWaitGiveAProvedSchedule) {
  const auto c = imported(fused, test::one_switch(2));
  ASSERT_TRUE(c) << c.error().message;
  EXPECT_EQ(c->plan.schedule.chunks().size(), 2U);
  EXPECT_EQ(c->plan.tuning.protocol, Protocol::ll);
  EXPECT_TRUE(c->program.in_place);
}

// MSCCL++'s fused steps: both ranks read the other's half, add it to their own, and write the sum to both.
constexpr const char* fused_plan = R"({"name": "ar2", "collective": "allreduce", "protocol": "Simple", "inplace": true, "min_message_size": 0,
 "max_message_size": 1048575, "gpus": [
 {"id": 0, "input_chunks": 2, "output_chunks": 2, "scratch_chunks": 0, "threadblocks": [{"id": 0, "ops": [
   {"name": "rlxsignal", "channel_ids": [0], "channel_type": "memory"}, {"name": "rlxwait", "channel_ids": [0], "channel_type": "memory"}, {"name": "nop"},
   {"name": "rres", "src_buff": [{"type": "i", "index": 0, "size": 1}, {"buffer_id": 0, "index": 0, "size": 1}],
    "dst_buff": [{"type": "i", "index": 0, "size": 1}, {"buffer_id": 0, "index": 0, "size": 1}], "channel_type": "memory", "reduce_op": "sum"},
   {"name": "nop"}, {"name": "signal", "channel_ids": [0], "channel_type": "memory"}, {"name": "wait", "channel_ids": [0], "channel_type": "memory"}],
   "channels": [{"channel_type": "memory", "channel_ids": [0]}], "remote_buffer_refs": [{"access_channel_type": "memory", "remote_buffer_ids": [0]}]}],
  "channels": [{"channel_type": "memory", "connected_to": [1]}], "remote_buffers": [{"rank": 1, "type": "i", "access_channel_types": ["memory"]}]},
 {"id": 1, "input_chunks": 2, "output_chunks": 2, "scratch_chunks": 0, "threadblocks": [{"id": 0, "ops": [
   {"name": "rlxsignal", "channel_ids": [0], "channel_type": "memory"}, {"name": "rlxwait", "channel_ids": [0], "channel_type": "memory"}, {"name": "nop"},
   {"name": "rres", "src_buff": [{"type": "i", "index": 1, "size": 1}, {"buffer_id": 0, "index": 1, "size": 1}],
    "dst_buff": [{"type": "i", "index": 1, "size": 1}, {"buffer_id": 0, "index": 1, "size": 1}], "channel_type": "memory", "reduce_op": "sum"},
   {"name": "nop"}, {"name": "signal", "channel_ids": [0], "channel_type": "memory"}, {"name": "wait", "channel_ids": [0], "channel_type": "memory"}],
   "channels": [{"channel_type": "memory", "channel_ids": [0]}], "remote_buffer_refs": [{"access_channel_type": "memory", "remote_buffer_ids": [0]}]}],
  "channels": [{"channel_type": "memory", "connected_to": [0]}], "remote_buffers": [{"rank": 0, "type": "i", "access_channel_types": ["memory"]}]}]})";

TEST(Import, MscclppsFusedStepsGiveAProvedSchedule) {
  const auto c = imported(fused_plan, test::one_switch(2));
  ASSERT_TRUE(c) << c.error().message;
  EXPECT_EQ(c->plan.schedule.step_count(), 4U);
  EXPECT_TRUE(c->program.in_place);
  const auto message = [](const std::string& text) {
    const auto read = import_mscclpp(text, "plan.json");
    EXPECT_FALSE(read);
    return read ? std::string{} : read.error().message;
  };
  EXPECT_EQ(message("{"), "not JSON: no execution plan of MSCCL++");
  EXPECT_EQ(message(changed(fused_plan, "\"rres\"", "\"glre\"")), "gpu 0: operation 'glre' is not known here");
  EXPECT_EQ(message(changed(fused_plan, "\"rlxsignal\"", "\"nop\"")), "gpu 1 thread block 0 would wait for ever at its operation 6 (wait)");
  EXPECT_EQ(message(changed(fused_plan, "\"buffer_id\": 0", "\"buffer_id\": 3")), "gpu 0 thread block 0: buffer_id names 3 of 1");
  EXPECT_EQ(message(changed(fused_plan, "\"input_chunks\": 2", "\"input_chunks\": 0")), "gpu 0: input_chunks and output_chunks must be at least 1");
}

TEST(Import, WhatIsWrongIsNamedWithItsLine) {
  const auto error = [](const std::string& text) {
    const auto read = imported(text, test::one_switch(2));
    EXPECT_FALSE(read);
    return read ? std::string{} : fmt::format("{}: {}", read.error().where ? read.error().where->line : 0, read.error().message);
  };
  EXPECT_EQ(error(changed(fused, "coll=\"allreduce\"", "coll=\"broadcast\"")),
            "1: coll of <algo> is 'broadcast'; known are allgather, allreduce, alltoall, reduce_scatter, reducescatter");
  EXPECT_EQ(error(changed(fused, "type=\"rrcs\"", "type=\"rcss\"")),
            "5: type of <step> is 'rcss'; known are cpy, nop, r, rcs, re, rrc, rrcs, rrs, s");
  EXPECT_EQ(error(changed(fused, "ngpus=\"2\"", "ngpus=\"3\"")), "1: ngpus is 3, but there are 2 <gpu> elements");
  EXPECT_EQ(error(changed(fused, "srcoff=\"1\"", "srcoff=\"7\"")), "4: rank 0 output[7..7] lies outside its buffer");
  EXPECT_EQ(error(changed(fused, "depid=\"-1\" deps=\"-1\"", "depid=\"0\" deps=\"2\"")), "4: thread block 0 of rank 0 would wait here for ever");
  EXPECT_EQ(error(changed(fused, "depid=\"-1\" deps=\"-1\"", "depid=\"3\" deps=\"0\"")),
            "4: it waits for step 0 of thread block 3, which GPU 0 has not");
  EXPECT_EQ(error(changed(fused, "chan=\"0\"", "chan=\"1\"")), "4: no thread block of rank 1 receives from rank 0 on channel 1");
  EXPECT_NE(error("<algo").find("not valid XML"), std::string::npos);
  EXPECT_NE(error("<system/>").find("no <algo> element"), std::string::npos);
}

TEST(Import, AnAlgorithmThatAddsTwiceIsNotProved) {
  const auto twice = changed(changed(fused, R"(type="s" srcbuf="i" srcoff="1")", R"(type="s" srcbuf="i" srcoff="0")"),
                             R"(type="s" srcbuf="i" srcoff="0" dstbuf="s" dstoff="0" cnt="1" depid="-1" deps="-1" hasdep="0"/>
      <step s="1" type="rrcs" srcbuf="i" srcoff="1")",
                             R"(type="s" srcbuf="i" srcoff="1" dstbuf="s" dstoff="0" cnt="1" depid="-1" deps="-1" hasdep="0"/>
      <step s="1" type="rrcs" srcbuf="i" srcoff="1")");
  const auto read = imported(twice, test::one_switch(2));
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::verification_failed);
}

}  // namespace
}  // namespace p2plab::import_test
