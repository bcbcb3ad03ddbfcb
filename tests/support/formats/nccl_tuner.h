// SPDX-License-Identifier: Apache-2.0
// The tuner plugin as NCCL uses it: opened by path, asked through each version of its interface. No GPU is needed.
#pragma once

#include <array>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include <dlfcn.h>

#include "nccl_tuner/interface.h"

namespace p2plab::test {

/// What NCCL ends with: the cheapest entry of its table, and the channels.
struct TunerChoice {
  int algorithm = -1;
  int protocol = -1;
  int channels = 0;
  friend bool operator==(const TunerChoice&, const TunerChoice&) = default;
};

struct TunerAsked {
  int function = 4;
  std::size_t bytes = 0;
  int operations = 1;
  int registered = 0;
  std::vector<std::pair<int, int>> impossible = {};  // algorithm and protocol
};

inline std::vector<std::string>& tuner_log() {
  static std::vector<std::string> lines;
  return lines;
}

inline void keep_tuner_log(nccl_tuner::LogLevel, unsigned long, const char*, int, const char* format, ...) {
  std::array<char, 512> text{};
  std::va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text.data(), text.size(), format, arguments);
  va_end(arguments);
  tuner_log().emplace_back(text.data());
}

/// A communicator's tuner, by one version of the interface.
class LoadedTuner {
 public:
  LoadedTuner(const std::string& library, int version, std::size_t ranks, std::size_t nodes, bool logs = true) : version_(version) {
    tuner_log().clear();
    handle_ = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle_ == nullptr) return;
    symbol_ = dlsym(handle_, ("ncclTunerPlugin_v" + std::to_string(version)).c_str());
    const auto logger = logs ? &keep_tuner_log : nullptr;
    if (symbol_ == nullptr) return;
    if (version < 5) {
      status_ = static_cast<const nccl_tuner::TunerV2*>(symbol_)->init(ranks, nodes, logger, &context_);
    } else {
      std::array<double, 256> constants{};
      status_ = static_cast<const nccl_tuner::TunerV5*>(symbol_)->init(&context_, 7, ranks, nodes, logger, nullptr, constants.data());
      for (const auto value : constants) untouched_ = untouched_ && value == 0;
    }
  }
  LoadedTuner(const LoadedTuner&) = delete;
  LoadedTuner& operator=(const LoadedTuner&) = delete;
  ~LoadedTuner() {
    if (symbol_ != nullptr) finalize();
    if (handle_ != nullptr) dlclose(handle_);
  }

  bool good() const { return symbol_ != nullptr && status_ == nccl_tuner::success && untouched_; }
  void finalize() {
    if (symbol_ == nullptr) return;
    // destroy and finalize lie behind name, init and choose in every version.
    static_cast<const nccl_tuner::TunerV4*>(symbol_)->destroy(context_);
    context_ = nullptr;
    symbol_ = nullptr;
  }

  /// The table that NCCL hands over is flat; ring with ll is its own choice here.
  TunerChoice ask(const TunerAsked& asked) const {
    using namespace nccl_tuner;
    TunerChoice choice;
    if (version_ == 2) {
      static_cast<const TunerV2*>(symbol_)->choose(context_, asked.function, asked.bytes, 0, 1, asked.operations, &choice.algorithm, &choice.protocol,
                                                   &choice.channels);
      return choice;
    }
    std::array<float, most_algorithms * most_protocols> table{};
    for (std::size_t i = 0; i < table.size(); ++i) table[i] = 10.0F + static_cast<float>(i);
    table[3] = 1;
    for (const auto& [a, p] : asked.impossible) table[static_cast<std::size_t>(a * most_protocols + p)] = impossible;
    auto* flat = reinterpret_cast<float**>(table.data());
    if (version_ == 3) {
      static_cast<const TunerV3*>(symbol_)->choose(context_, asked.function, asked.bytes, asked.operations, flat, most_algorithms, most_protocols,
                                                   &choice.channels);
    } else {
      static_cast<const TunerV4*>(symbol_)->choose(context_, asked.function, asked.bytes, asked.operations, flat, most_algorithms, most_protocols,
                                                   asked.registered, &choice.channels);
    }
    for (std::size_t i = 0; i < table.size(); ++i) {
      const auto best = choice.algorithm < 0 ? 1e9F : table[static_cast<std::size_t>(choice.algorithm * most_protocols + choice.protocol)];
      if (table[i] < 0 || table[i] >= best) continue;
      choice.algorithm = static_cast<int>(i) / most_protocols;
      choice.protocol = static_cast<int>(i) % most_protocols;
    }
    return choice;
  }

  std::optional<std::size_t> chunk(const TunerAsked& asked, int algorithm, int protocol) const {
    std::size_t chunk = 1;
    static_cast<const nccl_tuner::TunerV6*>(symbol_)->chunk_size(context_, asked.function, asked.bytes, algorithm, protocol, 4, &chunk);
    return chunk == 1 ? std::nullopt : std::optional(chunk);
  }
  const void* symbol() const { return symbol_; }
  void* context() const { return context_; }

 private:
  int version_;
  void* handle_ = nullptr;
  const void* symbol_ = nullptr;
  void* context_ = nullptr;
  int status_ = -1;
  bool untouched_ = true;
};

/// The file that the plugin reads, as long as this lives.
class TunerFile {
 public:
  TunerFile(const std::string& path, const std::string& text) {
    std::ofstream(path, std::ios::binary) << text;
    setenv("P2PLAB_TUNER_FILE", path.c_str(), 1);
  }
  TunerFile(const TunerFile&) = delete;
  TunerFile& operator=(const TunerFile&) = delete;
  ~TunerFile() { unsetenv("P2PLAB_TUNER_FILE"); }
};

}  // namespace p2plab::test
