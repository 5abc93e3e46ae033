// Assertions about our own logic; they stay on in release. Bytes from outside (clients, peers,
// disks, config) never trip one: those give an Error.
#pragma once

namespace gyre {

// Prints the claim and its place to stderr and aborts.
[[noreturn]] void CheckFailed(const char* claim, const char* file, int line);

}  // namespace gyre

#define GYRE_CHECK(claim)                              \
  do {                                                 \
    if (!(claim)) [[unlikely]]                         \
      ::gyre::CheckFailed(#claim, __FILE__, __LINE__); \
  } while (false)

// For claims that cost O(n): debug, sanitizer and simulator builds (GYRE_DCHECKS).
#ifdef GYRE_DCHECKS
#define GYRE_DCHECK(claim) GYRE_CHECK(claim)
#else
#define GYRE_DCHECK(claim) \
  do {                     \
  } while (false && (claim))
#endif
