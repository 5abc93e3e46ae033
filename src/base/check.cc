#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace gyre {

void CheckFailed(const char* claim, const char* file, int line) {
  std::fprintf(stderr, "GYRE_CHECK failed: %s at %s:%d\n", claim, file, line);
  std::fflush(stderr);
  std::abort();
}

}  // namespace gyre
