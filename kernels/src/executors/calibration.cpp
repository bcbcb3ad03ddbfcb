// SPDX-License-Identifier: Apache-2.0
#include "p2plab/run/calibration.h"

#include "executors/backend.h"

namespace p2plab {

Result<CalibrationData> measure_calibration() { return backend::measure_calibration(); }

}  // namespace p2plab
