"""The call APIs of other vendors, spoken so that their clients work by changing the base URL.

Nothing here but translation between a vendor's wire format and the application's services. What
the dialects share stands beside this file, each dialect in a file or folder of its own; no
vendor's name appears anywhere else.
"""
