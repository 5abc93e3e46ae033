// The hashes that formats and rings are defined by. Costs of a 20-byte input, measured:
// Md5 about 100 ns (15 each of 16 together), Xxh3 14 ns, Crc32c 5 ns.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace gyre {

// A 128-bit hash as two halves; `high` holds the first 8 bytes of the digest, big endian, so that
// comparing (high, low) is comparing digests.
struct Hash128 {
  std::uint64_t high = 0;
  std::uint64_t low = 0;

  auto operator<=>(const Hash128&) const = default;
};

Hash128 Md5(std::string_view bytes);
// The same of each input. Those of up to 55 bytes go together, 16 at a time, for the cost of one or
// two. REQUIRES: `digests` has room for all.
void Md5OfMany(std::span<const std::string_view> inputs, Hash128* digests);
// The form for any processor, for the test that holds both against Md5.
void Md5OfManyPortable(std::span<const std::string_view> inputs, Hash128* digests);
Hash128 Xxh3_128(std::string_view bytes);
std::uint64_t Xxh3_64(std::string_view bytes);
// Another such hash for each seed; that of 0 is Xxh3_64.
std::uint64_t Xxh3_64Seeded(std::string_view bytes, std::uint64_t seed);

// Castagnoli's polynomial, as iSCSI and RocksDB use it. `seed` is the value so far, for chaining.
// Uses SSE4.2 and VPCLMULQDQ where the processor has them, a table elsewhere; same result.
std::uint32_t Crc32c(std::string_view bytes, std::uint32_t seed = 0);
// Each form that this processor has, the fastest last, for the test that holds them against
// another.
using Crc32cForm = std::uint32_t (*)(std::string_view bytes, std::uint32_t seed);
std::vector<Crc32cForm> Crc32cForms();

}  // namespace gyre
