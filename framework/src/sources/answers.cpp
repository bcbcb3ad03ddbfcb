// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <charconv>
#include <functional>

#include <fmt/format.h>

#include "p2plab/base/quantity.h"
#include "p2plab/machine/machine_answers.h"
#include "sources/tables/cpu_models.h"
#include "sources/tables/gpu_models.h"
#include "sources/tables/switch_models.h"

namespace p2plab {

namespace {

Result<int> whole(const std::string& text, int least, int most) {
  int value = 0;
  const auto* end = text.data() + text.size();
  const auto [stop, fault] = std::from_chars(text.data(), end, value);
  if (fault == std::errc{} && stop == end && value >= least && value <= most) return value;
  return Error{ErrorCode::invalid_input, fmt::format("expected a whole number from {} to {}, got '{}'", least, most, text.substr(0, 60))};
}

Result<Bandwidth> rate(const std::string& text) {
  const bool bare = !text.empty() && text.find_first_not_of("0123456789.") == std::string::npos;
  auto value = parse_bandwidth(bare ? text + " GB/s" : text);
  if (value && value->bytes_per_second() <= 0) return Error{ErrorCode::invalid_input, "a bandwidth must be above zero"};
  return value;
}

Result<bool> yes_or_no(const std::string& text) {
  if (text == "yes" || text == "on" || text == "true") return true;
  if (text == "no" || text == "off" || text == "false") return false;
  return Error{ErrorCode::invalid_input, fmt::format("expected yes or no, got '{}'", text.substr(0, 60))};
}

// Puts a value where it belongs, or says why not.
template <class T, class To>
Status put(Result<T> value, To& to) {
  if (!value) return std::move(value).error();
  to = *std::move(value);
  return {};
}

struct Key {
  std::string_view name;
  Status (*read)(const std::string& text, MachineAnswers& answers);
};

constexpr std::array keys{
    Key{"gpu",
        [](const std::string& text, MachineAnswers& answers) -> Status {
          answers.gpu = text;
          auto model = find_gpu_model(text);
          return model ? Status{} : Status{std::move(model).error()};
        }},
    Key{"pcie_gen", [](const std::string& text, MachineAnswers& answers) { return put(whole(text, 1, 6), answers.pcie_gen); }},
    Key{"pcie_width", [](const std::string& text, MachineAnswers& answers) { return put(whole(text, 1, 16), answers.pcie_width); }},
    Key{"pcie", [](const std::string& text, MachineAnswers& answers) { return put(rate(text), answers.pcie); }},
    Key{"switch",
        [](const std::string& text, MachineAnswers& answers) -> Status {
          answers.pcie_switch = text;
          auto known = find_switch(text);
          return known ? Status{} : Status{std::move(known).error()};
        }},
    Key{"cpu",
        [](const std::string& text, MachineAnswers& answers) -> Status {
          answers.cpu = text;
          auto generation = find_cpu_generation(text);
          return generation ? Status{} : Status{std::move(generation).error()};
        }},
    Key{"sockets",
        [](const std::string& text, MachineAnswers& answers) -> Status {
          answers.sockets = text;
          const bool right = !text.empty() && text.find_first_not_of("0123456789,-|") == std::string::npos;
          return right ? Status{} : Status{Error{ErrorCode::invalid_input, "expected a number of sockets, or the GPUs of each as in 0-3|4-7"}};
        }},
    Key{"socket_link", [](const std::string& text, MachineAnswers& answers) { return put(rate(text), answers.socket_link); }},
    Key{"nvlinks", [](const std::string& text, MachineAnswers& answers) { return put(whole(text, 1, 64), answers.nvlinks); }},
    Key{"nvlink", [](const std::string& text, MachineAnswers& answers) { return put(rate(text), answers.nvlink); }},
    Key{"nvswitch", [](const std::string& text, MachineAnswers& answers) { return put(yes_or_no(text), answers.nvswitch); }},
    Key{"peer_access", [](const std::string& text, MachineAnswers& answers) { return put(yes_or_no(text), answers.peer_access); }},
    Key{"host_memory", [](const std::string& text, MachineAnswers& answers) { return put(rate(text), answers.host_memory); }},
    Key{"nic", [](const std::string& text, MachineAnswers& answers) { return put(rate(text), answers.nic); }},
    Key{"server",
        [](const std::string& text, MachineAnswers& answers) -> Status {
          answers.server = text;
          return text.empty() ? Status{Error{ErrorCode::invalid_input, "expected a preset or a file, as in hgx-h100"}} : Status{};
        }},
    Key{"pcie_beside_nvlink", [](const std::string& text, MachineAnswers& answers) { return put(yes_or_no(text), answers.pcie_beside_nvlink); }}};

}  // namespace

std::vector<std::string> answer_keys() {
  std::vector<std::string> names;
  for (const auto& key : keys) names.emplace_back(key.name);
  return names;
}

Result<MachineAnswers> read_answers(const std::vector<std::pair<std::string, std::string>>& words) {
  MachineAnswers answers;
  std::optional<Error> all;
  for (const auto& [name, text] : words) {
    const auto* key = std::find_if(keys.begin(), keys.end(), [&, wanted = name](const Key& one) { return one.name == wanted; });
    auto done = key == keys.end() ? Status{unknown_name("answer about the machine", name, answer_keys())} : key->read(text, answers);
    if (done) continue;
    auto error = std::move(done).error();
    if (key != keys.end()) error.message = fmt::format("{}: {}", name, error.message);
    if (all)
      all->more.push_back(std::move(error));
    else
      all = std::move(error);
  }
  if (all) return *std::move(all);
  return answers;
}

}  // namespace p2plab
