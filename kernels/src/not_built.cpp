// The same entries as src/cuda/, for builds without CUDA: they say how to get it.
#include "backend.h"

namespace p2plab::backend {

namespace {

Error not_built(const char* what) {
  return Error{.code = ErrorCode::not_built,
               .message = std::string{what} + " was not built: cmake found no CUDA compiler",
               .notes = {"install the CUDA toolkit (12.8 or later), then configure with CUDACXX=/usr/local/cuda/bin/nvcc and -DP2PLAB_CUDA=ON"}};
}

}  // namespace

Status cuda_available() { return not_built("the executor for GPUs"); }
Status nccl_available() { return not_built("the executor for NCCL"); }
class CudaKept {};
std::shared_ptr<CudaKept> keep_for_cuda() { return std::make_shared<CudaKept>(); }
Result<Measurement> run_cuda(const Job&, const RunOptions&, CudaKept&) { return not_built("the executor for GPUs"); }
Status nccl_symmetric_available() { return not_built("the executor for NCCL"); }
Result<Measurement> run_nccl(const Job&, const RunOptions&) { return not_built("the executor for NCCL"); }

Result<Measurement> run_cuda_process(const Job&, const RunOptions&, CudaKept&, Session&) { return not_built("the executor for GPUs"); }
Result<CalibrationData> measure_calibration() { return not_built("calibration on GPUs"); }

}  // namespace p2plab::backend
