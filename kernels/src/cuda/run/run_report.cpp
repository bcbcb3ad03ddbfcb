// SPDX-License-Identifier: Apache-2.0
// What a run says about itself: how it runs, and where it hung.
#include <fmt/format.h>

#include "cuda/run/run.h"

namespace p2plab::cuda {

namespace {

std::string waited_for(const SourceOrigin& origin) { return fmt::format("of step {} from rank {}", origin.step.value, origin.peer); }

}  // namespace

std::string GpuRun::packet_hang(const RankState& state, const image::HangReport& report) {
  return fmt::format("channel {}: for packet {} {}", report.block, report.position, waited_for(state.packets.origins[report.item]));
}

std::string GpuRun::slice_hang(const RankState& state, const image::HangReport& report) {
  const auto& linked = state.slices;
  const auto lane = report.block / linked.call.parts;
  const auto where = fmt::format("lane {}, part {}", lane, report.block % linked.call.parts);
  if (report.item == image::item_start) return fmt::format("{}: for rank {} to begin", where, linked.start_peers[lane][report.wait]);
  if (report.item == image::item_closing) return fmt::format("{}: for rank {} to end", where, linked.closing_peers[report.wait]);
  const auto& instruction = linked.instructions[linked.lanes[lane].first + report.item];
  return fmt::format("{}: for slice {} {}", where, report.position, waited_for(linked.origins[instruction.waits + report.wait]));
}

Status GpuRun::hang() const {
  for (std::size_t r = 0; r < ranks_.size(); ++r) {
    const auto& report = *reinterpret_cast<const image::HangReport*>(report_address(r));
    if (report.hung == 0) continue;
    return Error{.code = ErrorCode::device_failure,
                 .message = fmt::format("rank {} waited longer than {} ms", r, timeout / 1'000'000),
                 .notes = device_set_->has(r) ? std::vector{packets_ ? packet_hang(ranks_[r], report) : slice_hang(ranks_[r], report)}
                                              : std::vector<std::string>{}};
  }
  return {};
}

std::string GpuRun::describe() const {
  const auto* flags = choice_.ll128 ? "LL128 packets" : "LL packets";
  const auto* packets = choice_.lamport ? "Lamport packets" : flags;
  const auto* ordinary = choice_.shifts ? "slices with signals, unaligned" : "slices with signals";
  const auto* slices = choice_.bulk ? "slices with signals, by bulk copies" : ordinary;
  const auto* form = packets_ ? packets : slices;
  if (copies_) return fmt::format("copies by copy engines, with signals; {} streams", ranks_.empty() ? 0 : ranks_[device_set_->own()].blocks);
  auto text = fmt::format("{}; {} blocks of {} threads", form, ranks_.empty() ? 0 : ranks_[device_set_->own()].blocks, shape_.threads);
  if (!packets_) return text;
  if (program_->tuning.protocol == Protocol::simple) text += ", as some ranks meet only in host memory";
  const auto batch = ranks_.empty() ? 1U : ranks_[device_set_->own()].packet_call.batch;
  if (batch > 1) text += fmt::format(", {} packets each", batch);
  return text + (interpreted_.empty() ? ", code made for the program" : fmt::format(", interpreted: {}", interpreted_));
}

}  // namespace p2plab::cuda
