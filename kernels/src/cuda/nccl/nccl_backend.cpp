// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <mutex>
#include <optional>

#include <fmt/format.h>

#include "cuda/measure.h"
#include "cuda/nccl/nccl_communicators.h"
#include "cuda/nccl/nccl_library.h"
#include "cuda/nccl/nccl_registration.h"
#include "executors/backend.h"
#include "executors/nccl_numbers.h"

namespace p2plab::backend {

using cuda::Communicators;

// One run at a time; the communicators of the GPUs that were asked for last.
class KeptCommunicators {
 public:
  std::mutex one_at_a_time;

  Result<Communicators*> of(const cuda::NcclLibrary& nccl, const std::vector<int>& devices) {
    if (communicators_ && devices_ == devices) return &*communicators_;
    drop();
    auto made = Communicators::create(nccl, devices);
    if (!made) return std::move(made).error();
    communicators_.emplace(*std::move(made));
    devices_ = devices;
    return &*communicators_;
  }
  // After a failure nobody knows what they wait for.
  void drop() { communicators_.reset(); }

 private:
  std::optional<Communicators> communicators_;
  std::vector<int> devices_;
};

std::shared_ptr<KeptCommunicators> keep_communicators() { return std::make_shared<KeptCommunicators>(); }

namespace {

// NCCL wants every rank to take part, in order, with blocks of one size.
Status fits(const Collective& collective, int ranks, const std::vector<std::int64_t>& elements) {
  bool in_order = collective.silent.empty() && collective.members.size() == static_cast<std::size_t>(ranks);
  for (std::size_t i = 0; in_order && i < collective.members.size(); ++i) in_order = collective.members[i].index() == i;
  if (!in_order) return Error{.code = ErrorCode::unsupported, .message = "NCCL runs this with all ranks in order only, none silent"};
  const bool equal = std::ranges::all_of(elements, [&](auto e) { return e == elements.front(); });
  const bool by_calls = collective.kind == CollectiveKind::all_gather || collective.kind == CollectiveKind::reduce_scatter;
  if (by_calls && !equal)
    return Error{.code = ErrorCode::unsupported, .message = fmt::format("NCCL's {} needs blocks of equal size", to_string(collective.kind))};
  return {};
}

// The collective of a schedule, call by call.
class NcclCalls {
 public:
  NcclCalls(const cuda::NcclLibrary& nccl, const Communicators& communicators, const Schedule& schedule, const Payload& payload,
            const cuda::Buffers& buffers, int type)
      : nccl_(nccl),
        communicators_(communicators),
        schedule_(schedule),
        payload_(payload),
        layout_(schedule, payload),
        buffers_(buffers),
        type_(type),
        elements_(block_elements(schedule.collective(), schedule.blocks(), payload)) {}

  Status enqueue(Rank rank, const cuda::Stream& stream) const {
    const auto& collective = schedule_.collective();
    const auto* input = at(buffers_.input(rank));
    auto* output = at(buffers_.output(rank));
    const auto count = static_cast<std::size_t>(elements_.front());
    auto* const communicator = communicators_.of(rank);
    const auto op = nccl_op(payload_.op);
    const auto root = collective.root.value;
    const auto call = [&](int code) { return nccl_.check(code, std::string{to_string(collective.kind)}); };
    switch (collective.kind) {
      case CollectiveKind::all_reduce: return call(nccl_.all_reduce(input, output, count, type_, op, communicator, stream.get()));
      case CollectiveKind::broadcast: return call(nccl_.broadcast(input, output, count, type_, root, communicator, stream.get()));
      case CollectiveKind::reduce: return call(nccl_.reduce(input, output, count, type_, op, root, communicator, stream.get()));
      case CollectiveKind::all_gather: return call(nccl_.all_gather(input, output, count, type_, communicator, stream.get()));
      case CollectiveKind::reduce_scatter: return call(nccl_.reduce_scatter(input, output, count, type_, op, communicator, stream.get()));
      default: return exchange(rank, stream);
    }
  }

 private:
  static void* at(std::uint64_t address) { return reinterpret_cast<void*>(address); }

  // Everything else is blocks with one sender and one receiver.
  Status exchange(Rank rank, const cuda::Stream& stream) const {
    auto* const communicator = communicators_.of(rank);
    int code = nccl_.group_start();
    for (std::size_t b = 0; b < elements_.size() && code == 0; ++b) {
      const auto& block = schedule_.blocks()[b];
      const auto number = static_cast<std::int32_t>(b);
      const auto count = static_cast<std::size_t>(elements_[b]);
      if (count == 0 || block.contributors.empty() || block.receivers.empty()) continue;
      const auto from = block.contributors.front();
      const auto to = block.receivers.front();
      if (from == rank)
        code = nccl_.send(at(buffers_.input(rank) + static_cast<std::uint64_t>(layout_.input_offset(rank, number))), count, type_, to.value,
                          communicator, stream.get());
      if (to == rank && code == 0) {
        code = nccl_.receive(at(buffers_.output(rank) + static_cast<std::uint64_t>(layout_.output_offset(rank, number))), count, type_, from.value,
                             communicator, stream.get());
      }
    }
    const auto ended = nccl_.group_end();
    return nccl_.check(code != 0 ? code : ended, std::string{to_string(schedule_.collective().kind)});
  }

  const cuda::NcclLibrary& nccl_;
  const Communicators& communicators_;
  const Schedule& schedule_;
  Payload payload_;
  BufferLayout layout_;
  const cuda::Buffers& buffers_;
  int type_;
  std::vector<std::int64_t> elements_;
};

}  // namespace

Status nccl_available() {
  if (auto gpus = cuda_available(); !gpus) return gpus;
  auto nccl = cuda::NcclLibrary::load();
  if (!nccl) return std::move(nccl).error();
  return {};
}

Status nccl_symmetric_available() {
  if (auto gpus = cuda_available(); !gpus) return gpus;
  auto nccl = cuda::NcclLibrary::load();
  if (!nccl) return std::move(nccl).error();
  return cuda::check_registration(*nccl, Registration::symmetric);
}

Result<Measurement> run_nccl(const Job& job, const RunOptions& options, KeptCommunicators& kept) {
  const std::lock_guard lock(kept.one_at_a_time);
  const auto& schedule = job.plan->schedule;
  const auto& payload = job.program->payload;
  const auto nccl = cuda::NcclLibrary::load();
  if (!nccl) return nccl.error();
  auto devices = cuda::devices_for(schedule.ranks());
  if (!devices) return std::move(devices).error();
  if (auto ok = fits(schedule.collective(), schedule.ranks(), block_elements(schedule.collective(), schedule.blocks(), payload)); !ok)
    return std::move(ok).error();
  const auto type = nccl_type(payload.type);
  if (!type) return type.error();
  auto ranks = cuda::RankStreams::create(*devices);
  if (!ranks) return std::move(ranks).error();
  const auto registration = options.registration;
  if (auto able = cuda::check_registration(*nccl, registration); !able) return std::move(able).error();
  cuda::BufferOptions buffer_options{.in_place = job.program->in_place, .uniform = registration != Registration::none};
  if (registration != Registration::none) buffer_options.allocator = cuda::nccl_allocator(*nccl);
  auto buffers = cuda::Buffers::create(schedule, payload, *devices, buffer_options);
  if (!buffers) return std::move(buffers).error();
  const auto communicators = kept.of(*nccl, *devices);
  if (!communicators) return communicators.error();
  const auto registered = cuda::NcclRegistration::create(*nccl, (*communicators)->all(), *buffers, registration);
  if (!registered) return registered.error();
  const NcclCalls calls(*nccl, **communicators, schedule, payload, *buffers, *type);
  const cuda::Subject subject{.executor = "nccl",
                              .buffers = &*buffers,
                              .ranks = &*ranks,
                              .enqueue = [&](Rank rank, const cuda::Stream& stream) { return calls.enqueue(rank, stream); },
                              .after = [] { return Status{}; },
                              .size = payload.size()};
  auto result = cuda::measure(subject, options);
  if (!result) kept.drop();
  if (!result) return result;
  result->notes.push_back(fmt::format("NCCL {}, NVLink multicast off{}", nccl->version(),
                                      registration == Registration::symmetric ? ", symmetric windows"
                                      : registration == Registration::local   ? ", buffers registered"
                                                                              : ""));
  result->notes.push_back(cuda::describe_device(0));
  return result;
}

}  // namespace p2plab::backend
