#include "p2plab/calibration.h"

#include "backend.h"

namespace p2plab {

Result<CalibrationData> measure_calibration() { return backend::measure_calibration(); }

}  // namespace p2plab
