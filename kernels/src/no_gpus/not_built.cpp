// SPDX-License-Identifier: Apache-2.0
// The same entries as src/cuda/, for programs without code for GPUs: they say why, and how to get it.
#include "executors/backend.h"
#include "no_gpus/reason.h"
#include "p2plab/run/communicator.h"
#include "runtime/device_calls.h"

namespace p2plab::backend {

Status cuda_available() { return without("the executor for GPUs"); }
Status nccl_available() { return without("the executor for NCCL"); }
class KernelCache {};
std::shared_ptr<KernelCache> make_kernel_cache() { return std::make_shared<KernelCache>(); }
Result<Measurement> run_cuda(const Job&, const RunOptions&, KernelCache&) { return without("the executor for GPUs"); }
Status nccl_symmetric_available() { return without("the executor for NCCL"); }
class KeptCommunicators {};
std::shared_ptr<KeptCommunicators> keep_communicators() { return std::make_shared<KeptCommunicators>(); }
Result<Measurement> run_nccl(const Job&, const RunOptions&, KeptCommunicators&) { return without("the executor for NCCL"); }

Result<Measurement> run_cuda_process(const Job&, const RunOptions&, KernelCache&, Session&) { return without("the executor for GPUs"); }
Result<Measurement> run_nccl_process(const Job&, const RunOptions&, KernelCache&, Session&) { return without("the executor for NCCL"); }
Result<CalibrationData> measure_calibration() { return without("calibration on GPUs"); }
Result<std::unique_ptr<PairProber>> cuda_pair_prober() { return without("the prober of pairs of GPUs"); }

}  // namespace p2plab::backend

namespace p2plab {

class Operation::Body {};
Operation::Operation(std::unique_ptr<Body> body) : body_(std::move(body)) {}
Operation::Operation(Operation&&) noexcept = default;
Operation& Operation::operator=(Operation&&) noexcept = default;
Operation::~Operation() = default;
Status Operation::call(Rank, void*) const { return backend::without("the communicator"); }
Status Operation::call(Rank, const DeviceBuffers&, void*) const { return backend::without("the communicator"); }
Status Operation::state() const { return backend::without("the communicator"); }
NotedItems Operation::noted(Rank) const { return {}; }
std::string Operation::describe() const { return {}; }

class Communicator::Body {};
Communicator::Communicator(std::unique_ptr<Body> body) : body_(std::move(body)) {}
Communicator::Communicator(Communicator&&) noexcept = default;
Communicator& Communicator::operator=(Communicator&&) noexcept = default;
Communicator::~Communicator() = default;
Result<Communicator> Communicator::create(const std::vector<int>&, const CommunicatorOptions&) { return backend::without("the communicator"); }
Result<Communicator> Communicator::create(Session&, int, const CommunicatorOptions&) { return backend::without("the communicator"); }
Result<Operation> Communicator::prepare(const Job&, BufferUse, std::span<const DeviceBuffers>, const KernelShape&) {
  return backend::without("the communicator");
}
Result<Operation> Communicator::prepare_segment(const Job&, std::span<const DeviceBuffers>, const KernelShape&) {
  return backend::without("the communicator");
}
MemoryUse Communicator::memory(Rank) const { return {}; }

}  // namespace p2plab

namespace p2plab::runtime::device {

Result<int> count() { return backend::without("the runtime for GPUs"); }
Result<std::string> bus_id(int) { return backend::without("the runtime for GPUs"); }
Result<std::string> name(int) { return backend::without("the runtime for GPUs"); }
Reach reach(int, const std::string&) { return Reach::unseen; }
Current::Current(int) : status_(backend::without("the runtime for GPUs")) {}
Current::~Current() = default;
void begin_thread(int) {}
Result<int> device_of(void*) { return backend::without("the runtime for GPUs"); }
Result<std::uint64_t> capture_of(void*) { return backend::without("the runtime for GPUs"); }
Status watch_graph(void*, std::function<void()>) { return backend::without("the runtime for GPUs"); }
Status synchronize(int) { return backend::without("the runtime for GPUs"); }
Result<std::shared_ptr<void>> allocate(int, Bytes) { return backend::without("the runtime for GPUs"); }
Status copy(const Rows&, void*) { return backend::without("the runtime for GPUs"); }
Result<std::shared_ptr<void>> pinned(Bytes) { return backend::without("the runtime for GPUs"); }
Status rows(DataType, const args::EpilogueCall&, int, void*) { return backend::without("the runtime for GPUs"); }
Status load_neighbours(int) { return backend::without("the runtime for GPUs"); }
Status neighbours(const args::NeighbourCall&, void*) { return backend::without("the runtime for GPUs"); }
Result<std::shared_ptr<void>> stream(int) { return backend::without("the runtime for GPUs"); }
Result<Order> Order::create(int) { return backend::without("the runtime for GPUs"); }
Status Order::mark(void*) const { return backend::without("the runtime for GPUs"); }
Status Order::wait(void*) const { return backend::without("the runtime for GPUs"); }
Status Order::after(void*, void*) const { return backend::without("the runtime for GPUs"); }
struct DeviceClock::Body {};
Result<DeviceClock> DeviceClock::create(int) { return backend::without("the runtime for GPUs"); }
std::optional<ClockLook> DeviceClock::look() { return std::nullopt; }
struct Mirror::Body {};
Result<Mirror> Mirror::create(int, Bytes) { return backend::without("the runtime for GPUs"); }
std::uint64_t Mirror::address() const { return 0; }
const std::byte* Mirror::bytes() const { return nullptr; }
Status Mirror::read(Bytes, Bytes) const { return backend::without("the runtime for GPUs"); }
Status Mirror::clear(Bytes, Bytes) const { return backend::without("the runtime for GPUs"); }

}  // namespace p2plab::runtime::device
