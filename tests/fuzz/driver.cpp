// SPDX-License-Identifier: Apache-2.0
// A small mutation driver for machines without libFuzzer: fuzz_smi [--seconds N] [--seed N] FILES... changes the files at random for 3 seconds.
// Batches run in a child process with an alarm, so a crash or a hang ends only the child; the input is then found and kept in a file.
// The inputs depend on the seed alone, so a failure happens again.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "target.h"

namespace {

using Random = std::mt19937_64;

std::size_t below(Random& random, std::size_t n) { return n == 0 ? 0 : static_cast<std::size_t>(random() % n); }

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// A run of text that formats care about: a word, a number at a limit, a bracket, half of a character.
std::string token(Random& random) {
  const std::vector<std::string> tokens{"0",
                                        "-1",
                                        "9223372036854775807",
                                        "1e999",
                                        "[",
                                        "]",
                                        "{",
                                        "}",
                                        "\"",
                                        "'",
                                        "&a ",
                                        "*a",
                                        ": ",
                                        "- ",
                                        "\n",
                                        "\t",
                                        "<",
                                        "/>",
                                        "</",
                                        "&#0;",
                                        "<!--",
                                        "]]>",
                                        "\x1b[4m",
                                        "NV18",
                                        " X ",
                                        "SYS",
                                        "GPU0",
                                        "GB/s",
                                        "\xC3",
                                        "\xFF",
                                        "|",
                                        ">",
                                        "?",
                                        "---\n",
                                        "#",
                                        "!!int ",
                                        "~",
                                        "%",
                                        "\r\n",
                                        "0x",
                                        "\xEF\xBB\xBF",
                                        std::string(1, '\0')};
  return tokens[below(random, tokens.size())];
}

std::string mutated(std::string text, const std::vector<std::string>& corpus, Random& random) {
  const auto changes = 1 + below(random, 8);
  for (std::size_t i = 0; i < changes; ++i) {
    const auto at = below(random, text.size() + 1);
    const auto length = std::min(below(random, std::size_t{1} << below(random, 8)), text.size() - at);
    switch (below(random, 8)) {
      case 0: text.erase(at, length); break;
      case 1: text.insert(at, token(random)); break;
      case 2: text.insert(at, text.substr(at, length)); break;
      case 3: text.replace(at, length, token(random)); break;
      case 4: text.resize(at); break;
      case 5: text.insert(below(random, text.size() + 1), text.substr(at, length)); break;
      case 6:
        if (at < text.size()) text[at] = static_cast<char>(random());
        break;
      default: {
        const auto& other = corpus[below(random, corpus.size())];
        const auto from = below(random, other.size() + 1);
        text.insert(at, other.substr(from, std::size_t{1} << below(random, 10)));
      }
    }
  }
  return text;
}

// The input number `index`; the first ones are the corpus itself.
std::string input(std::size_t index, std::uint64_t seed, const std::vector<std::string>& corpus) {
  if (index < corpus.size()) return corpus[index];
  Random random{seed * 1'000'003 + index};
  return mutated(corpus[below(random, corpus.size())], corpus, random);
}

// Runs inputs [first, last) in a child process; false if it crashed or took too long.
bool survives(std::size_t first, std::size_t last, std::uint64_t seed, const std::vector<std::string>& corpus) {
  const auto child = fork();
  if (child == 0) {
    for (auto i = first; i < last; ++i) {
      constexpr unsigned timeout = 10;  // seconds for one input, on a loaded machine with sanitizers
      alarm(timeout);
      const auto text = input(i, seed, corpus);
      LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
    }
    _exit(0);
  }
  int status = 0;
  return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int report(std::size_t first, std::size_t last, std::uint64_t seed, const std::vector<std::string>& corpus) {
  for (auto i = first; i < last; ++i) {
    if (survives(i, i + 1, seed, corpus)) continue;
    std::ofstream("fuzz_failure", std::ios::binary) << input(i, seed, corpus);
    std::fprintf(stderr, "input %zu of seed %llu crashed or took too long; it is in the file fuzz_failure\n", i,
                 static_cast<unsigned long long>(seed));
    return 1;
  }
  std::fprintf(stderr, "inputs %zu to %zu of seed %llu crashed only together\n", first, last, static_cast<unsigned long long>(seed));
  return 1;
}

}  // namespace

int main(int count, char** arguments) {
  double seconds = 3;
  std::uint64_t seed = 1;
  std::vector<std::string> corpus;
  for (int i = 1; i < count; ++i) {
    const std::string word = arguments[i];
    if (word == "--seconds" && i + 1 < count) {
      seconds = std::atof(arguments[++i]);
    } else if (word == "--seed" && i + 1 < count) {
      seed = std::strtoull(arguments[++i], nullptr, 10);
    } else {
      corpus.push_back(read_file(word));
    }
  }
  if (corpus.empty()) {
    std::fputs("no corpus files given\n", stderr);
    return 2;
  }
  constexpr std::size_t batch = 100;
  const auto start = std::chrono::steady_clock::now();
  std::size_t done = 0;
  while (std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() < seconds) {
    if (!survives(done, done + batch, seed, corpus)) return report(done, done + batch, seed, corpus);
    done += batch;
  }
  std::printf("%zu inputs\n", done);
  return 0;
}
