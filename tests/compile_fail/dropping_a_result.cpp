// expect: ignoring returned value
#include "p2plab/collective.h"
void wrong() { p2plab::contract({}, 1); }
