// expect: use of deleted function
#include "p2plab/schedule.h"
p2plab::Schedule make();
auto wrong = make().chunks();
