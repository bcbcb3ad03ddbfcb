// SPDX-License-Identifier: Apache-2.0
// Documents that are JSON but hold wild values: the bytes of an input say what is changed where, so that coverage guides the changes.
#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "target.h"

namespace p2plab::test {

using Json = nlohmann::ordered_json;

/// Numbers read from an input; zeros once it has ended.
class Choices {
 public:
  Choices(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}
  bool left() const { return at_ < size_; }
  std::size_t below(std::size_t most) {
    std::size_t value = 0;
    for (int byte = 0; byte < 2; ++byte) value = value * 256 + (at_ < size_ ? data_[at_++] : 0U);
    return most == 0 ? 0 : value % most;
  }

 private:
  const std::uint8_t* data_;
  std::size_t size_;
  std::size_t at_ = 0;
};

/// The documents of tests/fuzz/corpus/KIND, read once.
inline const std::vector<Json>& documents(const std::string& kind) {
  static const std::vector<Json> all = [&] {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path{P2PLAB_SOURCE_DIR} / "tests/fuzz/corpus" / kind))
      files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    std::vector<Json> read;
    for (const auto& file : files) {
      std::ifstream in(file);
      read.push_back(Json::parse(in));
    }
    return read;
  }();
  return all;
}

/// A number at which something overflows, or a small one.
inline Json wild_number(Choices& choices) {
  constexpr std::int64_t bit = 1;
  const std::vector<std::int64_t> wild{
      0,         1,         -1,        2,        3, 7, 255, 256, 65'535, 65'536, bit << 26, bit << 30, bit << 31, bit << 32, (bit << 31) - 1,
      bit << 40, bit << 50, INT64_MAX, INT64_MIN};
  const auto which = choices.below(wild.size() + 4);
  if (which < wild.size()) return wild[which];
  if (which == wild.size()) return 1e308;
  if (which == wild.size() + 1) return -0.5;
  return choices.below(64);
}

/// Locations, operands and words as plans and programs hold them, some of them right.
inline Json wild_text(Choices& choices) {
  const std::vector<std::string> words{
      "",     "i0.0",      "o0.0 o1.0",  "s0.0", "s1.1073741823", "h0.0",  "i1.0 i1.0", "i0+0",    "o1+16",   "s0+4294967296",
      "x9.9", "broadcast", "all_to_all", "int8", "float64",       "ll128", "simple",    "lamport", "average", "version: 1\nname: x\nnodes: []\n"};
  return words[choices.below(words.size())];
}

/// Changes one value somewhere below `value`.
inline void change(Json& value, Choices& choices) {
  Json* at = &value;
  for (int depth = 0; depth < 8 && at->is_structured() && !at->empty() && (depth == 0 || choices.below(4) != 0); ++depth)
    at = &std::next(at->begin(), static_cast<std::ptrdiff_t>(choices.below(at->size()))).value();
  switch (choices.below(8)) {
    case 0: *at = wild_number(choices); return;
    case 1: *at = wild_text(choices); return;
    case 2:
      if (at->is_array()) return at->push_back(at->empty() ? wild_number(choices) : (*at)[choices.below(at->size())]);
      *at = at->is_number() ? Json(wild_number(choices)) : wild_text(choices);
      return;
    case 3:
      if (at->is_array() && !at->empty()) at->erase(choices.below(at->size()));
      return;
    case 4:
      if (at->is_array() && at->size() > 1) std::swap((*at)[choices.below(at->size())], (*at)[choices.below(at->size())]);
      return;
    case 5: *at = Json::array(); return;
    case 6: *at = choices.below(2) == 0 ? Json(true) : Json(nullptr); return;
    default:
      if (at->is_number_integer()) *at = at->get<std::int64_t>() / 2 + static_cast<std::int64_t>(choices.below(5)) - 2;
  }
}

/// A document of this kind after one to six changes.
inline std::string changed_document(const std::string& kind, const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t most_changes = 6;
  Choices choices(data, size);
  const auto& all = documents(kind);
  auto document = all[choices.below(all.size())];
  const auto changes = 1 + choices.below(most_changes);
  for (std::size_t c = 0; c < changes && choices.left(); ++c) change(document, choices);
  return document.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace p2plab::test
