/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What every patch here has in common: one replace-style klp_patch over one object,
 * enabled when the module loads, undone only through sysfs.
 */
#ifndef HOTSTICK_REPLACE_PATCH_H
#define HOTSTICK_REPLACE_PATCH_H

#include <linux/kernel.h>
#include <linux/livepatch.h>
#include <linux/module.h>

/* The patched object: the kernel itself (NULL) unless the patch names a module. */
#ifndef HOTSTICK_PATCHED_OBJECT
#define HOTSTICK_PATCHED_OBJECT NULL
#endif

/* What the kernel calls before and after it patches the object: nothing. */
#ifndef HOTSTICK_PATCHED_CALLBACKS
#define HOTSTICK_PATCHED_CALLBACKS {}
#endif

/* It replaces every other live patch, unless it is built to be stacked upon them. */
#ifndef HOTSTICK_PATCHED_REPLACE
#define HOTSTICK_PATCHED_REPLACE true
#endif

/* HOTSTICK_PATCH declares hotstick_patch over hotstick_funcs[]. */
#define HOTSTICK_PATCH()						\
	static struct klp_object hotstick_objects[] = {			\
		{ .name = HOTSTICK_PATCHED_OBJECT, .funcs = hotstick_funcs, \
		  .callbacks = HOTSTICK_PATCHED_CALLBACKS },		\
		{}							\
	};								\
	static struct klp_patch hotstick_patch = {			\
		.mod = THIS_MODULE,					\
		.objs = hotstick_objects,				\
		.replace = HOTSTICK_PATCHED_REPLACE,			\
	}

#define HOTSTICK_MODULE(summary)					\
	MODULE_LICENSE("GPL");						\
	MODULE_DESCRIPTION(summary);					\
	MODULE_INFO(livepatch, "Y")

#endif
