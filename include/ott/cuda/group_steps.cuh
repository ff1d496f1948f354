#pragma once

#include <type_traits>

#include <ott/cuda/exact_steps.cuh>
#include <ott/cuda/integer_steps.cuh>
#include <ott/cuda/wide_query.hpp>
#include <ott/cuda/wide_steps.cuh>

namespace ott {

/// Can warps attend to this policy's groups and exact rows step by step? Others take the generic
/// kernel.
template <class P>
inline constexpr bool has_group_steps = has_exact_rows<P> &&
                                        (has_integer_groups<P> || has_exact_groups<P>);

namespace detail {

enum class step_kind { integer, wide, exact };

template <class P, int Sets, step_kind Kind>
struct choose_steps {
  using type = integer_steps<P, Sets>;
};
template <class P, int Sets>
struct choose_steps<P, Sets, step_kind::wide> {
  using type = wide_steps<P>;
};
template <class P, int Sets>
struct choose_steps<P, Sets, step_kind::exact> {
  using type = exact_steps<P, Sets>;
};

template <class P, int Sets>
inline constexpr step_kind step_kind_of = has_exact_groups<P> ? step_kind::exact
                                          : is_wide<P, Sets>  ? step_kind::wide
                                                              : step_kind::integer;

}  // namespace detail

template <class P, int Sets>
using group_steps = typename detail::choose_steps<P, Sets, detail::step_kind_of<P, Sets>>::type;

}  // namespace ott
