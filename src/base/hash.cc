// The one-shot MD5() is deprecated in OpenSSL 3 in favour of EVP, which costs 2 to 6 times as much
// for a short key because it fetches or copies a context; see docs/adr/0002-dependencies.md.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "base/hash.h"

#include <openssl/md5.h>

#include <bit>
#include <cstring>

#define XXH_INLINE_ALL
#include <xxhash.h>

#ifdef __x86_64__
#include <nmmintrin.h>
#endif

namespace gyre {

#ifdef __x86_64__
std::uint64_t Xxh3_64OfLong(std::string_view bytes);  // xxh3_avx2.cc
#endif

namespace {

// Up to here the algorithm is another one, without vectors.
constexpr std::size_t kXxh3ShortMax = 240;

std::uint64_t BigEndian64(const unsigned char* at) {
  std::uint64_t word;
  std::memcpy(&word, at, sizeof word);
  return __builtin_bswap64(word);
}

// What one block holds beside the mark and the length at its end.
constexpr std::size_t kMd5OneBlockMax = MD5_CBLOCK - 9;

// Padded here, so that the library does nothing but the transform: a third less for a short key.
Hash128 Md5OfOneBlock(std::string_view bytes) {
  unsigned char block[MD5_CBLOCK] = {};
  if (!bytes.empty()) std::memcpy(block, bytes.data(), bytes.size());
  block[bytes.size()] = 0x80;
  const std::uint64_t bits = bytes.size() * 8;
  std::memcpy(block + MD5_CBLOCK - sizeof bits, &bits, sizeof bits);
  MD5_CTX state;
  MD5_Init(&state);
  MD5_Transform(&state, block);
  // The digest is A, B, C, D, each little endian.
  return {__builtin_bswap64(std::uint64_t{state.B} << 32 | state.A),
          __builtin_bswap64(std::uint64_t{state.D} << 32 | state.C)};
}

constexpr std::uint32_t kCrc32cPolynomial = 0x82F63B78;  // reflected

constexpr std::array<std::uint32_t, 256> MakeCrcTable() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kCrc32cPolynomial : 0);
    table[byte] = crc;
  }
  return table;
}
constexpr std::array<std::uint32_t, 256> kCrcTable = MakeCrcTable();

#ifdef __x86_64__
// The instruction takes three cycles and a new one can begin in each: so long input goes in three
// lanes at once, and a lane's value is moved over the bytes of the next by table.
constexpr std::size_t kLaneBytes = 256;

using LaneTable = std::array<std::array<std::uint32_t, 256>, 4>;
constexpr LaneTable MakeLaneTable() {
  std::array<std::uint32_t, 32> of_bit{};  // moving is linear: the table is sums of these
  for (std::size_t bit = 0; bit < of_bit.size(); ++bit) {
    std::uint32_t crc = 1u << bit;
    for (std::size_t i = 0; i < kLaneBytes; ++i) crc = (crc >> 8) ^ kCrcTable[crc & 0xFF];
    of_bit[bit] = crc;
  }
  LaneTable table{};
  for (std::size_t byte = 0; byte < table.size(); ++byte) {
    for (std::size_t value = 0; value < 256; ++value) {
      for (std::size_t bit = 0; bit < 8; ++bit) {
        if ((value >> bit & 1) != 0) table[byte][value] ^= of_bit[byte * 8 + bit];
      }
    }
  }
  return table;
}
constexpr LaneTable kLaneTable = MakeLaneTable();

// `crc` as it is after one lane of zeros.
std::uint64_t MoveOverLane(std::uint64_t crc) {
  return kLaneTable[0][crc & 0xFF] ^ kLaneTable[1][crc >> 8 & 0xFF] ^
         kLaneTable[2][crc >> 16 & 0xFF] ^ kLaneTable[3][crc >> 24 & 0xFF];
}

std::uint64_t Word(const char* at) {
  std::uint64_t word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

__attribute__((target("sse4.2"))) std::uint32_t Crc32cSse42(std::string_view bytes,
                                                            std::uint32_t seed) {
  std::uint64_t crc = ~seed;
  const char* at = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 3 * kLaneBytes; at += 3 * kLaneBytes, left -= 3 * kLaneBytes) {
    std::uint64_t second = 0;
    std::uint64_t third = 0;
    for (const char* word = at; word != at + kLaneBytes; word += 8) {
      crc = _mm_crc32_u64(crc, Word(word));
      second = _mm_crc32_u64(second, Word(word + kLaneBytes));
      third = _mm_crc32_u64(third, Word(word + 2 * kLaneBytes));
    }
    crc = MoveOverLane(MoveOverLane(crc) ^ second) ^ third;
  }
  for (; left >= 8; at += 8, left -= 8) crc = _mm_crc32_u64(crc, Word(at));
  auto crc32 = static_cast<std::uint32_t>(crc);
  for (; left > 0; ++at, --left) crc32 = _mm_crc32_u8(crc32, static_cast<unsigned char>(*at));
  return ~crc32;
}
#endif

}  // namespace

Hash128 Md5(std::string_view bytes) {
  if (bytes.size() <= kMd5OneBlockMax) return Md5OfOneBlock(bytes);
  unsigned char digest[MD5_DIGEST_LENGTH];
  MD5(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest);
  return {BigEndian64(digest), BigEndian64(digest + 8)};
}

Hash128 Xxh3_128(std::string_view bytes) {
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return {hash.high64, hash.low64};
}

std::uint64_t Xxh3_64(std::string_view bytes) {
#ifdef __x86_64__
  static const bool has_avx2 = __builtin_cpu_supports("avx2") != 0;
  if (bytes.size() > kXxh3ShortMax && has_avx2) return Xxh3_64OfLong(bytes);
#endif
  return XXH3_64bits(bytes.data(), bytes.size());
}

std::uint64_t Xxh3_64Seeded(std::string_view bytes, std::uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

std::uint32_t Crc32cPortable(std::string_view bytes, std::uint32_t seed) {
  std::uint32_t crc = ~seed;
  for (const char byte : bytes) {
    crc = kCrcTable[(crc ^ static_cast<unsigned char>(byte)) & 0xFF] ^ (crc >> 8);
  }
  return ~crc;
}

std::uint32_t Crc32c(std::string_view bytes, std::uint32_t seed) {
#ifdef __x86_64__
  static const bool has_sse42 = __builtin_cpu_supports("sse4.2") != 0;
  if (has_sse42) return Crc32cSse42(bytes, seed);
#endif
  return Crc32cPortable(bytes, seed);
}

}  // namespace gyre
