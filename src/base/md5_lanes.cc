// MD5 (RFC 1321) of many short inputs at once, one in each lane of a vector: the digest is a chain
// of 64 steps that each wait for the last, so that one by one the processor mostly waits. What
// OpenSSL has takes one input at a time. Only inputs of one block come here; hash.cc has the rest.
#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "base/check.h"
#include "base/hash.h"

namespace gyre {
namespace {

constexpr std::size_t kLanes = 16;
constexpr std::size_t kWords = 16;
// What a block holds beside the mark and the length at its end.
constexpr std::size_t kOneBlockMax = kWords * 4 - 9;

// The n-th word of each input, side by side.
struct alignas(64) Blocks {
  std::uint32_t words[kWords][kLanes];
};
struct alignas(64) Digests {
  std::uint32_t words[4][kLanes];
};

constexpr std::array<std::uint32_t, 4> kStart = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
constexpr int kShifts[4][4] = {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};
// 2^32 times the sine of 1, 2, 3, ...
constexpr std::uint32_t kSines[64] = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391};

// V: a vector of the machine's; several of them go through each step side by side.
template <typename V>
[[gnu::always_inline]] inline void Transform(const Blocks& blocks, Digests& digests) {
  constexpr std::size_t kVectors = sizeof(std::uint32_t) * kLanes / sizeof(V);
  V a[kVectors], b[kVectors], c[kVectors], d[kVectors];
  for (std::size_t v = 0; v < kVectors; ++v) {
    a[v] = V{} + kStart[0];
    b[v] = V{} + kStart[1];
    c[v] = V{} + kStart[2];
    d[v] = V{} + kStart[3];
  }
#pragma GCC unroll 64
  for (std::size_t step = 0; step < 64; ++step) {
    const std::size_t round = step / 16;
    constexpr std::size_t kStride[] = {1, 5, 3, 7};
    constexpr std::size_t kFirst[] = {0, 1, 5, 0};
    const std::size_t word = (kFirst[round] + kStride[round] * step) % kWords;
    const int shift = kShifts[round][step % 4];
#pragma GCC unroll 4
    for (std::size_t v = 0; v < kVectors; ++v) {
      V mixed;
      switch (round) {
        case 0:
          mixed = d[v] ^ (b[v] & (c[v] ^ d[v]));
          break;
        case 1:
          mixed = c[v] ^ (d[v] & (b[v] ^ c[v]));
          break;
        case 2:
          mixed = b[v] ^ c[v] ^ d[v];
          break;
        default:
          mixed = c[v] ^ (b[v] | ~d[v]);
      }
      V in;
      std::memcpy(&in, reinterpret_cast<const char*>(blocks.words[word]) + v * sizeof(V),
                  sizeof in);
      const V sum = a[v] + mixed + (in + kSines[step]);
      const V turned = b[v] + ((sum << shift) | (sum >> (32 - shift)));
      a[v] = d[v];
      d[v] = c[v];
      c[v] = b[v];
      b[v] = turned;
    }
  }
  for (std::size_t v = 0; v < kVectors; ++v) {
    const V out[] = {a[v] + kStart[0], b[v] + kStart[1], c[v] + kStart[2], d[v] + kStart[3]};
    for (std::size_t word = 0; word < 4; ++word) {
      std::memcpy(reinterpret_cast<char*>(digests.words[word]) + v * sizeof(V), &out[word],
                  sizeof(V));
    }
  }
}

using TransformFn = void (*)(const Blocks& blocks, Digests& digests);

typedef std::uint32_t Vector4 __attribute__((vector_size(16)));
void Transform4(const Blocks& blocks, Digests& digests) { Transform<Vector4>(blocks, digests); }

#ifdef __x86_64__
typedef std::uint32_t Vector8 __attribute__((vector_size(32)));
__attribute__((target("avx2"))) void Transform8(const Blocks& blocks, Digests& digests) {
  Transform<Vector8>(blocks, digests);
}
typedef std::uint32_t Vector16 __attribute__((vector_size(64)));
__attribute__((target("avx512f"))) void Transform16(const Blocks& blocks, Digests& digests) {
  Transform<Vector16>(blocks, digests);
}
#endif

TransformFn BestTransform() {
#ifdef __x86_64__
  if (__builtin_cpu_supports("avx512f") != 0) return Transform16;
  if (__builtin_cpu_supports("avx2") != 0) return Transform8;
#endif
  return Transform4;
}

// REQUIRES: the lane is all zeros.
void PutInLane(std::string_view input, std::size_t lane, Blocks& blocks) {
  const std::size_t whole = input.size() / 4;
  for (std::size_t word = 0; word < whole; ++word) {
    std::memcpy(&blocks.words[word][lane], input.data() + word * 4, 4);
  }
  std::uint32_t last = 0x80;
  for (std::size_t i = input.size(); i > whole * 4; --i) {
    last = last << 8 | static_cast<unsigned char>(input[i - 1]);
  }
  blocks.words[whole][lane] = last;
  blocks.words[kWords - 2][lane] = static_cast<std::uint32_t>(input.size() * 8);
}

Hash128 TakeFromLane(const Digests& digests, std::size_t lane) {
  const auto half = [&](std::size_t low, std::size_t high) {
    return __builtin_bswap64(std::uint64_t{digests.words[high][lane]} << 32 |
                             digests.words[low][lane]);
  };
  return {half(0, 1), half(2, 3)};
}

void Md5OfManyBy(TransformFn transform, std::span<const std::string_view> inputs,
                 Hash128* digests) {
  Digests found;
  std::size_t lane_of[kLanes];
  for (std::size_t begin = 0; begin < inputs.size(); begin += kLanes) {
    const std::size_t end = std::min(inputs.size(), begin + kLanes);
    std::size_t lanes = 0;
    Blocks blocks = {};
    for (std::size_t i = begin; i < end; ++i) {
      if (inputs[i].size() > kOneBlockMax || end - begin == 1) {
        digests[i] = Md5(inputs[i]);
      } else {
        lane_of[lanes] = i;
        PutInLane(inputs[i], lanes++, blocks);
      }
    }
    if (lanes == 0) continue;
    transform(blocks, found);
    for (std::size_t lane = 0; lane < lanes; ++lane) {
      digests[lane_of[lane]] = TakeFromLane(found, lane);
    }
  }
}

}  // namespace

void Md5OfMany(std::span<const std::string_view> inputs, Hash128* digests) {
  static_assert(std::endian::native == std::endian::little);
  static const TransformFn transform = BestTransform();
  Md5OfManyBy(transform, inputs, digests);
}

void Md5OfManyPortable(std::span<const std::string_view> inputs, Hash128* digests) {
  Md5OfManyBy(Transform4, inputs, digests);
}

}  // namespace gyre
