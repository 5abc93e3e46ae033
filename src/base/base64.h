// Base64 as in RFC 4648, section 4: with padding, and only the one canonical form is decoded.
#pragma once

#include <string>
#include <string_view>

namespace gyre {

std::string Base64Encode(std::string_view bytes);
// False (and `out` is unspecified) if `text` is not canonical base64.
bool Base64Decode(std::string_view text, std::string& out);

}  // namespace gyre
