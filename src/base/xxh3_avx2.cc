// XXH3 for long inputs with vectors of 256 bits. The library chooses its vectors when it is
// compiled, so it is compiled here once more; hash.cc asks the processor.
#ifdef __x86_64__
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2")
#endif
#include <cstdint>
#include <string_view>

#define XXH_INLINE_ALL
#define XXH_VECTOR 2  // AVX2
#include <immintrin.h>
#include <xxhash.h>

namespace gyre {

std::uint64_t Xxh3_64OfLong(std::string_view bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

}  // namespace gyre
#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif
