// SPDX-License-Identifier: Apache-2.0
#include "exporters/msccl/connections.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

namespace p2plab {

namespace {

constexpr std::int32_t most_channels = 32;
constexpr int most_peers = 32;  // that a GPU sends to on a channel, and as many that it receives from

}  // namespace

Result<MscclConnections> MscclConnections::make(const MscclMoves& moves, MscclSharing sharing) {
  MscclConnections made;
  made.sharing_ = sharing;
  if (auto can = made.choose_channels(moves); !can) return std::move(can).error();
  made.make_blocks(moves);
  return made;
}

MscclConnections::Stream MscclConnections::stream_of(const MscclMove& message) const {
  return {sharing_ == MscclSharing::channels ? 0 : message.channel, message.rank, message.to};
}

Status MscclConnections::choose_channels(const MscclMoves& moves) {
  std::set<Stream> streams;
  std::set<std::int32_t> planned;
  for (const auto& move : moves.moves) {
    planned.insert(move.channel);
    if (move.kind == MscclMove::Kind::message) streams.insert(stream_of(move));
  }
  std::map<std::pair<Rank, std::int32_t>, int> sends;  // GPU and channel -> peers
  std::map<std::pair<Rank, std::int32_t>, int> receives;
  std::map<std::pair<Rank, Rank>, std::set<std::int32_t>> used;
  for (const auto& stream : streams) {
    auto& mine = used[{stream.from, stream.to}];
    const auto free = [&](std::int32_t c) {
      return !mine.contains(c) && sends[{stream.from, c}] < most_peers && receives[{stream.to, c}] < most_peers;
    };
    auto channel = static_cast<std::int32_t>(std::distance(planned.begin(), planned.lower_bound(stream.channel)));
    if (channel >= most_channels || !free(channel)) {
      for (channel = 0; channel < most_channels && !free(channel);) ++channel;
    }
    if (channel < most_channels) {
      mine.insert(channel);
      ++sends[{stream.from, channel}];
      ++receives[{stream.to, channel}];
    } else if (!mine.empty()) {
      channel = *mine.begin();
    } else {
      return msccl_cannot(fmt::format("rank {} has more than {} peers on each of {} channels", stream.from.value, most_peers, most_channels));
    }
    channel_of_[stream] = channel;
    channels_ = std::max(channels_, channel + 1);
  }
  for (const auto& move : moves.moves) {
    if (move.kind == MscclMove::Kind::message) continue;
    const auto wanted = static_cast<std::int32_t>(std::distance(planned.begin(), planned.lower_bound(move.channel)));
    channel_of_[{move.channel, move.rank, move.rank}] = sharing_ == MscclSharing::none ? std::min(wanted, most_channels - 1) : 0;
    if (sharing_ == MscclSharing::none) channels_ = std::max(channels_, std::min(wanted, most_channels - 1) + 1);
  }
  return {};
}

void MscclConnections::make_blocks(const MscclMoves& moves) {
  const auto ranks = moves.buffers.size();
  std::vector<std::map<std::int32_t, std::set<std::int32_t>>> out(ranks);  // by rank: channel -> peers
  std::vector<std::map<std::int32_t, std::set<std::int32_t>>> in(ranks);
  std::vector<std::set<MscclEnds>> ends(ranks);
  for (const auto& [stream, channel] : channel_of_) {
    if (stream.from == stream.to) {
      ends[stream.from.index()].insert({channel, -1, -1});
      continue;
    }
    out[stream.from.index()][channel].insert(stream.to.value);
    in[stream.to.index()][channel].insert(stream.from.value);
  }
  for (std::size_t r = 0; r < ranks; ++r) {
    for (std::int32_t c = 0; c < channels_; ++c) {
      std::vector<std::int32_t> to(out[r][c].begin(), out[r][c].end());
      std::vector<std::int32_t> from(in[r][c].begin(), in[r][c].end());
      if (sharing_ == MscclSharing::none) {
        for (const auto peer : to) ends[r].insert({c, peer, -1});
        for (const auto peer : from) ends[r].insert({c, -1, peer});
        continue;
      }
      to.resize(std::max(to.size(), from.size()), -1);
      from.resize(to.size(), -1);
      for (std::size_t p = 0; p < to.size(); ++p) ends[r].insert({c, to[p], from[p]});
    }
    blocks_.emplace_back(ends[r].begin(), ends[r].end());
    auto& sender = senders_.emplace_back();
    auto& receiver = receivers_.emplace_back();
    auto& local = locals_.emplace_back();
    for (std::size_t b = 0; b < blocks_[r].size(); ++b) {
      const auto& block = blocks_[r][b];
      if (block.send >= 0) sender[{block.channel, block.send}] = b;
      if (block.receive >= 0) receiver[{block.channel, block.receive}] = b;
      if (block.send < 0 && block.receive < 0) local[block.channel] = b;
    }
  }
}

std::size_t MscclConnections::sender(const MscclMove& message) const {
  return senders_[message.rank.index()].at({channel_of_.at(stream_of(message)), message.to.value});
}

std::size_t MscclConnections::receiver(const MscclMove& message) const {
  return receivers_[message.to.index()].at({channel_of_.at(stream_of(message)), message.rank.value});
}

std::size_t MscclConnections::local(const MscclMove& move) const {
  return locals_[move.rank.index()].at(channel_of_.at({move.channel, move.rank, move.rank}));
}

}  // namespace p2plab
