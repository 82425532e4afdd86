# SPDX-License-Identifier: BSD-3-Clause
"""One benchmark a file."""
