// SPDX-License-Identifier: Apache-2.0
#include "bench/led.h"

#include <algorithm>
#include <charconv>
#include <map>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "p2plab/program/plan_io.h"
#include "p2plab/program/program_io.h"
#include "p2plab/run/detect.h"

namespace p2plab {

namespace {

using SortedJson = nlohmann::json;

constexpr std::size_t most_at_once = std::size_t{48} << 10;  // of a text, in one exchange of a session
constexpr std::size_t longest = std::size_t{1} << 30;

SortedJson json_of(const RunOptions& options) {
  const auto& shape = options.shape;
  const int bulk = shape.bulk ? (*shape.bulk ? 1 : 0) : -1;
  return {{"warmup", options.warmup},
          {"repeats", options.repeats},
          {"seed", options.seed},
          {"threads", options.threads},
          {"graph", options.graph},
          {"calls", options.calls},
          {"check", options.check},
          {"staged", options.staged},
          {"registration", static_cast<int>(options.registration)},
          {"rows_apart", options.rows_apart},
          {"shape",
           {shape.threads, shape.blocks, shape.threads_per_processor, shape.batch, shape.interpret, bulk, shape.programmatic, shape.first_call}}};
}

RunOptions options_of(const SortedJson& json) {
  const auto& shape = json.at("shape");
  RunOptions options{.warmup = json.at("warmup"),
                     .repeats = json.at("repeats"),
                     .seed = json.at("seed"),
                     .threads = json.at("threads"),
                     .graph = json.at("graph"),
                     .shape = {},
                     .calls = json.at("calls"),
                     .check = json.at("check"),
                     .staged = json.at("staged"),
                     .registration = static_cast<Registration>(json.at("registration").get<int>()),
                     .rows_apart = json.at("rows_apart")};
  options.shape = {.threads = shape.at(0),
                   .blocks = shape.at(1),
                   .threads_per_processor = shape.at(2),
                   .batch = shape.at(3),
                   .interpret = shape.at(4),
                   .programmatic = shape.at(6),
                   .first_call = shape.at(7)};
  if (const int bulk = shape.at(5); bulk >= 0) options.shape.bulk = bulk != 0;
  return options;
}

// Rank 0's text, which it gives, on all ranks; in pieces.
Result<std::string> told(Session& session, const std::string& mine) {
  const bool leads = session.rank() == 0;
  const auto sizes = session.all_gather(leads ? std::to_string(mine.size()) : std::string{});
  if (!sizes) return sizes.error();
  std::size_t size = 0;
  const auto& said = sizes->front();
  const auto [end, code] = std::from_chars(said.data(), said.data() + said.size(), size);
  if (code != std::errc{} || end != said.data() + said.size() || size > longest)
    return Error{ErrorCode::device_failure, "rank 0 leads no job: it says '" + said + "'"};
  std::string text;
  while (text.size() < size) {
    const auto pieces = session.all_gather(leads ? mine.substr(text.size(), most_at_once) : std::string{});
    if (!pieces) return pieces.error();
    if (pieces->front().empty()) return Error{ErrorCode::device_failure, "rank 0 has stopped amid what it says"};
    text += pieces->front();
  }
  return text;
}

// The first rank's error of all, or success.
Status state_everywhere(Session& session, const Status& mine) {
  const auto texts = session.all_gather(mine ? std::string{} : mine.error().message);
  if (!texts) return texts.error();
  for (std::size_t r = 0; r < texts->size(); ++r) {
    if ((*texts)[r].empty()) continue;
    if (r == 0) return mine;
    return Error{ErrorCode::unsupported, fmt::format("rank {}: {}", r, (*texts)[r])};
  }
  return {};
}

std::string first_gpu() {
  const auto facts = gather_facts();
  return facts.cuda.empty() ? std::string{} : facts.cuda.front().name;
}

// A job as its texts say, so that it is the same on all ranks.
Result<Measurement> run_texts(const Executor& executor, const SortedJson& order) {
  const auto plan = read_plan(order.at("plan").get<std::string>(), "the leader's plan");
  if (!plan) return plan.error();
  const auto program = read_program(order.at("program").get<std::string>(), "the leader's program");
  if (!program) return program.error();
  return executor.run({&program->topology, &plan->plan, &program->program}, options_of(order.at("options")));
}

class Led final : public Executor {
 public:
  Led(Session& session, std::string name, std::unique_ptr<Executor> own) : session_(session), name_(std::move(name)), own_(std::move(own)) {}

  Status available() const override {
    if (auto said = told(session_, SortedJson{{"do", "state"}, {"executor", name_}}.dump()); !said) return std::move(said).error();
    return state_everywhere(session_, own_->available());
  }
  Clock clock() const override { return own_->clock(); }

  Result<Measurement> run(const Job& job, const RunOptions& options) const override {
    const auto& program = *job.program;
    const SortedJson order{
        {"do", "run"},
        {"executor", name_},
        {"options", json_of(options)},
        {"plan", write_plan({.topology = *job.topology, .plan = *job.plan, .payload = program.payload, .in_place = program.in_place})},
        {"program", write_program({.topology = *job.topology, .program = program})}};
    if (auto said = told(session_, order.dump()); !said) return std::move(said).error();
    return run_texts(*own_, order);
  }

 private:
  Session& session_;
  std::string name_;
  std::unique_ptr<Executor> own_;
};

// What one of the others does with what rank 0 says.
class Follower {
 public:
  explicit Follower(Session& session) : session_(session) {}

  Status run() {
    while (true) {
      const auto text = told(session_, {});
      if (!text) return text.error();
      const auto order = SortedJson::parse(*text, nullptr, false);
      const auto what = order.is_object() ? order.value("do", "") : std::string{};
      if (what == "end") return {};
      if (auto done = obey(what, order); !done) return done;
      if (auto lost = session_.state(); !lost) return lost;
    }
  }

 private:
  Executor* executor(const std::string& name) {
    auto& kept = kept_[name];
    if (!kept) kept = process_executor(name, session_);
    return kept.get();
  }

  // A leader of another version may leave something out.
  Status obey(const std::string& what, const SortedJson& order) {
    try {
      if (what == "run") return one(order);
      if (what == "state") return state(order);
      if (what == "gpus") return tell(first_gpu());
    } catch (const SortedJson::exception& missing) {
      return Error{ErrorCode::device_failure, fmt::format("what rank 0 says is not understood: {}", missing.what())};
    }
    return Error{ErrorCode::device_failure, fmt::format("rank 0 asks for '{}'", what)};
  }

  Status state(const SortedJson& order) {
    const auto* const own = executor(order.at("executor"));
    if (own == nullptr) return Error{ErrorCode::unsupported, "an executor of one process"};
    if (auto everywhere = state_everywhere(session_, own->available()); !everywhere && !session_.state()) return session_.state();
    return {};
  }

  // What the executor says, all ranks hear: its error is the leader's to report.
  Status one(const SortedJson& order) {
    const auto* const own = executor(order.at("executor"));
    if (own == nullptr) return Error{ErrorCode::unsupported, "an executor of one process"};
    [[maybe_unused]] const auto measured = run_texts(*own, order);
    return {};
  }

  Status tell(const std::string& text) {
    const auto all = session_.all_gather(text);
    return all ? Status{} : Status{all.error()};
  }

  Session& session_;
  std::map<std::string, std::unique_ptr<Executor>> kept_;
};

}  // namespace

std::unique_ptr<Executor> process_executor(const std::string& name, Session& session) {
  if (name == "host") return host_processes(session);
  if (name == "cuda") return cuda_processes(session);
  return name == "nccl" ? nccl_processes(session) : nullptr;
}

Leader::~Leader() { static_cast<void>(static_cast<bool>(told(session_, SortedJson{{"do", "end"}}.dump()))); }

std::unique_ptr<Executor> Leader::executor(const std::string& name) {
  auto own = process_executor(name, session_);
  if (!own) return nullptr;
  return std::make_unique<Led>(session_, name, std::move(own));
}

Result<std::vector<std::string>> Leader::gpus() {
  if (auto said = told(session_, SortedJson{{"do", "gpus"}}.dump()); !said) return std::move(said).error();
  return session_.all_gather(first_gpu());
}

Status follow(Session& session) { return Follower(session).run(); }

}  // namespace p2plab
