# SPDX-License-Identifier: BSD-3-Clause
"""What the kernel gets at the next boot."""


def test_the_menu_has_the_words_of_both_roles(host):
    menu = host.file("/boot/grub/grub.cfg").content_string
    assert menu == "linux /vmlinuz quiet onvm.test=1 quiet onvm.other=2\n"


def test_a_drop_in_says_who_wrote_it(host):
    text = host.file("/etc/default/grub.d/60-onvm-first.cfg").content_string
    assert text.startswith("# Written by the onvm role first")
