// The one-shot MD5() is deprecated in OpenSSL 3 in favour of EVP, which costs 2 to 6 times as much
// for a short key because it fetches or copies a context; see docs/adr/0002-dependencies.md.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "base/hash.h"

#include <openssl/md5.h>

#include <bit>
#include <cstring>

#define XXH_INLINE_ALL
#include <xxhash.h>

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

}  // namespace gyre
