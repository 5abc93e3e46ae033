#include "server/resp/glob.h"

#include <cstdint>
#include <utility>

namespace gyre {
namespace {

unsigned char Fold(char c, bool ignore_case) {
  const bool upper = c >= 'A' && c <= 'Z';
  return static_cast<unsigned char>(ignore_case && upper ? c + 32 : c);
}

// Does the element of `pattern` at *at (no star) match `c`? Moves *at behind the element.
bool MatchOne(std::string_view pattern, std::size_t* at, char c, bool ignore_case) {
  const unsigned char wanted = Fold(c, ignore_case);
  std::size_t i = *at;
  if (pattern[i] == '?') {
    *at = i + 1;
    return true;
  }
  if (pattern[i] == '\\' && i + 1 < pattern.size())
    ++i;
  else if (pattern[i] == '[') {
    ++i;
    const bool negated = i < pattern.size() && pattern[i] == '^';
    if (negated) ++i;
    bool found = false;
    // A class that is never closed ends with the pattern, as in Redis.
    while (i < pattern.size() && pattern[i] != ']') {
      if (pattern[i] == '\\' && i + 1 < pattern.size()) {
        found |= Fold(pattern[i + 1], ignore_case) == wanted;
        i += 2;
      } else if (i + 2 < pattern.size() && pattern[i + 1] == '-') {
        unsigned char low = Fold(pattern[i], ignore_case);
        unsigned char high = Fold(pattern[i + 2], ignore_case);
        if (low > high) std::swap(low, high);
        found |= low <= wanted && wanted <= high;
        i += 3;
      } else {
        found |= Fold(pattern[i], ignore_case) == wanted;
        ++i;
      }
    }
    *at = i < pattern.size() ? i + 1 : i;
    return found != negated;
  }
  *at = i + 1;
  return Fold(pattern[i], ignore_case) == wanted;
}

}  // namespace

bool GlobMatch(std::string_view pattern, std::string_view text, bool ignore_case) {
  constexpr std::size_t kNoStar = SIZE_MAX;
  std::size_t p = 0;
  std::size_t t = 0;
  std::size_t star = kNoStar;  // where the pattern goes on behind the last star
  std::size_t star_text = 0;   // where the text behind it begins, in the present attempt
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = ++p;
      star_text = t;
      continue;
    }
    std::size_t next = p;
    if (p < pattern.size() && MatchOne(pattern, &next, text[t], ignore_case)) {
      p = next;
      ++t;
      continue;
    }
    if (star == kNoStar) return false;
    p = star;
    t = ++star_text;
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace gyre
