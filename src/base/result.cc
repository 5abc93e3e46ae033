#include "base/result.h"

namespace gyre {

tl::unexpected<Error> Fail(ErrorCode code, std::string_view message) {
  return tl::unexpected<Error>(Error{code, std::string(message)});
}

tl::unexpected<Error> Fail(Error error) { return tl::unexpected<Error>(std::move(error)); }

}  // namespace gyre
