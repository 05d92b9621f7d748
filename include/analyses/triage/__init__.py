"""What customers write about: bug, how-to, management, request, or unknown; and what to do about it.

``texts`` cleans and masks, ``model`` labels, ``store`` keeps the labels, ``routes`` sends them where something is done.
"""
