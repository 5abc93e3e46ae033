// For golden tests: bytes as hex text, in which blanks separate fields.
#pragma once

#include <string>
#include <string_view>

namespace gyre {

inline std::string FromHex(std::string_view text) {
  std::string bytes;
  int high = -1;
  for (const char letter : text) {
    if (letter == ' ') continue;
    const int digit = letter <= '9' ? letter - '0' : letter - 'a' + 10;
    if (high < 0) {
      high = digit;
    } else {
      bytes += static_cast<char>(high << 4 | digit);
      high = -1;
    }
  }
  return bytes;
}

inline std::string ToHex(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    text += kDigits[static_cast<unsigned char>(byte) >> 4];
    text += kDigits[static_cast<unsigned char>(byte) & 15];
  }
  return text;
}

}  // namespace gyre
