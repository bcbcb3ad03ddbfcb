// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "p2plab/run/processes.h"

namespace p2plab {

namespace {

Error no(std::string message) { return Error{ErrorCode::unsupported, std::move(message)}; }

// Fields after one another, each ended by a zero byte.
std::string text_of(const Offer& offer) { return offer.build + '\0' + offer.digest + '\0' + offer.obstacle + '\0'; }

Offer offer_of(const std::string& text) {
  std::vector<std::string> fields;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find('\0', at), text.size());
    fields.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  fields.resize(3);
  return {fields[0], fields[1], fields[2]};
}

}  // namespace

// The first reason in order of rank, so that it is the same wherever it is looked for.
Status agree(const std::vector<Offer>& offers) {
  for (std::size_t r = 1; r < offers.size(); ++r) {
    if (offers[r].build != offers[0].build) return no(fmt::format("rank {} is p2plab {}, rank 0 is p2plab {}", r, offers[r].build, offers[0].build));
  }
  for (std::size_t r = 1; r < offers.size(); ++r) {
    if (offers[r].digest != offers[0].digest) return no(fmt::format("rank {} is to run another program than rank 0", r));
  }
  for (std::size_t r = 0; r < offers.size(); ++r) {
    if (!offers[r].obstacle.empty()) return no(fmt::format("rank {}: {}", r, offers[r].obstacle));
  }
  return {};
}

Status agree(Session& session, const Offer& mine) {
  auto texts = session.all_gather(text_of(mine));
  if (!texts) return std::move(texts).error();
  std::vector<Offer> offers;
  for (const auto& text : *texts) offers.push_back(offer_of(text));
  return agree(offers);
}

}  // namespace p2plab
